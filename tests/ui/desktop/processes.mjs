// Programs that run beside a test: each in a group of its own, with all it says kept.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { within } from "./within.mjs";

const running = new Set();

process.on("exit", () => {
  for (const program of running) program.kill("SIGKILL");
});
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) {
  process.once(signal, () => process.exit(code));
}

export class Program {
  /** All it has said, the latest last; bounded. */
  said = "";
  #child;
  #heard = new Set();

  /** `extra`: opens descriptor 3 to read from, beside the usual three. */
  constructor(name, command, args, { env, extra = false, input = "ignore", cwd } = {}) {
    this.name = name;
    const stdio = [input, "pipe", "pipe", ...(extra ? ["pipe"] : [])];
    this.#child = spawn(command, args, { env, cwd, stdio, detached: true });
    running.add(this);
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(`ended with ${signal ?? code}`));
    });
    for (const stream of this.#child.stdio.slice(1)) {
      stream?.setEncoding("utf8").on("data", (text) => {
        this.said = (this.said + text).slice(-400_000);
        for (const hear of this.#heard) hear();
      });
    }
  }

  get pid() {
    return this.#child.pid;
  }

  get stdin() {
    return this.#child.stdin;
  }

  get stdout() {
    return this.#child.stdout;
  }

  /** What `pattern` finds in what it says, now or later; fails when it ends before. */
  says(pattern, ms = 20_000) {
    let hear;
    const found = new Promise((resolve) => {
      hear = () => {
        const match = this.said.match(pattern);
        if (match) resolve(match);
      };
      this.#heard.add(hear);
      hear();
    });
    const gone = this.ended.then((how) => {
      throw new Error(`${this.name} ${how} and had not said ${pattern}:\n${this.said}`);
    });
    return within(ms, `${this.name} to say ${pattern}`, Promise.race([found, gone])).finally(() =>
      this.#heard.delete(hear),
    );
  }

  kill(signal) {
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }

  /** Asks it to end, then makes it. */
  async stop() {
    if (this.#child.pid === undefined) return;
    this.kill("SIGTERM");
    await within(3000, this.name, this.ended).catch(() => {});
    this.kill("SIGKILL");
    await this.ended;
    running.delete(this);
  }
}

/** The processes whose environment says `name=value`, with their parents and commands. */
export function processesWith(name, value) {
  const found = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, "latin1").split("\0");
      if (!environment.includes(`${name}=${value}`)) continue;
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      found.push({
        pid: Number(entry),
        parent: Number(fields[1]),
        command: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
        /** Clock ticks it has used. */
        ticks: Number(fields[11]) + Number(fields[12]),
      });
    } catch {
      // It ended meanwhile, or is not ours to look at.
    }
  }
  return found;
}
