// Names, times and counts the steps of one run; the last line is the sum.

import { performance } from "node:perf_hooks";
import { Failure } from "./run.mjs";

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`.padStart(9);

export class Report {
  #lines = [];
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  /**
   * Runs one step. It may answer `{ passed, failed, note }`; without, it counts as one check.
   * After a failed step the later ones are counted as skipped, not run.
   */
  async step(name, work) {
    if (this.#failed > 0) {
      this.#skipped += 1;
      this.#lines.push(`  --  ${name}`);
      return;
    }
    console.log(`\n── ${name}`);
    const start = performance.now();
    let result;
    try {
      result = (await work()) ?? {};
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.unseen) console.log(error.unseen.trimEnd());
      console.log(`${name}: ${error.message}`);
      result = { passed: 0, failed: 1, ...error.counts };
    }
    const { passed = 1, failed = 0, note = "" } = result;
    this.#passed += passed;
    this.#failed += failed;
    const mark = failed > 0 ? "FAIL" : " ok ";
    const counts = passed + failed > 1 ? `${passed} passed${failed ? `, ${failed} failed` : ""}` : "";
    const line = [name.padEnd(24), seconds(performance.now() - start), counts, note].filter(Boolean);
    this.#lines.push(` ${mark} ${line.join("  ")}`);
  }

  /** Prints all steps and the sum; answers the exit code. */
  close() {
    console.log(`\n${this.#lines.join("\n")}\n`);
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : "";
    console.log(`${this.#passed} passed, ${this.#failed} failed${skipped}`);
    return this.#failed > 0 ? 1 : 0;
  }
}
