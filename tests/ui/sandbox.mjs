// What the sandbox behind a window is told to do wrong, and what it knows.

import { plain } from "./desktop/plain.mjs";
import { until } from "./desktop/within.mjs";

export class Sandbox {
  constructor(url) {
    this.url = url;
  }

  /** The one a window has started, as its log names it. */
  static async of(window) {
    const [, address] = await until("the sandbox's address in the log", () =>
      plain(window.said).match(/the emulator answers.*?address=(127\.0\.0\.1:\d+)/),
    );
    return new Sandbox(`http://${address}`);
  }

  async #ask(path, body) {
    const answer = await fetch(`${this.url}/_sandbox/${path}`, {
      signal: AbortSignal.timeout(10_000),
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`the sandbox: ${said.error}`);
    return said;
  }

  state = () => this.#ask("state");
  play = (...faults) => this.#ask("faults", faults);

  /** No session gets through from now on: open ones break, none can be taken up again. */
  async cutNetwork() {
    await this.play(
      { fault: "refuse_upgrades", status: 503, times: 100_000 },
      { fault: "cut" },
    );
  }

  async mendNetwork() {
    await this.play({ fault: "reset" });
  }

  /** Waits until there are so many sessions. */
  sessions(count, options) {
    return until(`${count} sessions`, async () => (await this.state()).sessions.active === count, options);
  }
}
