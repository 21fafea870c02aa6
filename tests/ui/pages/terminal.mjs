// The terminal in front.

import { until } from "../desktop/within.mjs";

export class Terminal {
  constructor(window) {
    this.window = window;
  }

  /** All it shows and has scrolled away. */
  text(pane = 0) {
    return this.window.run((at) => window.look.screen(at)?.text() ?? "", pane);
  }

  /** Waits until it shows what `pattern` finds. */
  async reads(pattern, { ms = 20_000, pane = 0 } = {}) {
    let last = "";
    return until(`${pattern} in the terminal`, async () => (last = await this.text(pane)).match(pattern), { ms }).catch(
      (error) => {
        throw new Error(`${error.message}; it shows:\n${last.trimEnd().split("\n").slice(-12).join("\n")}`);
      },
    );
  }

  /** Waits for the shell to ask for a command. */
  prompt(options) {
    return this.reads(/[$#%>] ?\n?$/, options);
  }

  async type(text) {
    await this.window.type(text);
  }

  /** The state in words, as the header says it. */
  state(words, { ms } = {}) {
    return this.window.find("img", words, { inside: ["banner"], ms });
  }
}
