// The tray, the notifications and the windows of a desktop, as a test asks for them.

import { fileURLToPath } from "node:url";
import { Program } from "./processes.mjs";
import { until, within } from "./within.mjs";

const script = fileURLToPath(new URL("services.py", import.meta.url));

export class Services {
  /** Every notification so far: number, summary, body, buttons by action. */
  notifications = [];
  #program;
  #asked = new Map();
  #last = 0;
  #waiting = "";
  name = "tray and notifications";
  #hearing = new Set();

  /** Serves them on the session bus and the display that `env` names; `bare`: windows only. */
  static async start(env, { bare = false } = {}) {
    const services = new Services();
    // The system's own Python is the one that has the system's D-Bus packages.
    services.#program = new Program("services", "/usr/bin/python3", [script, ...(bare ? ["--bare"] : [])], {
      env,
      input: "pipe",
    });
    services.#program.stdout.on("data", (text) => services.#take(text));
    await services.#program.says(/"ready"/);
    return services;
  }

  #take(text) {
    const lines = (this.#waiting + text).split("\n");
    this.#waiting = lines.pop();
    for (const line of lines) {
      const { id, ok, failed, event, ...rest } = JSON.parse(line);
      if (event === "notified") this.notifications.push(rest);
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (failed === undefined) asked?.resolve(ok);
      else asked?.reject(new Error(failed));
    }
    for (const hear of this.#hearing) hear();
  }

  #ask(what, more = {}, ms = 10_000) {
    const id = (this.#last += 1);
    const answer = new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
    this.#program.stdin.write(`${JSON.stringify({ id, do: what, ...more })}\n`);
    return within(ms, `the desktop to ${what}`, answer);
  }

  /** Waits for a notification that `fits`, one not looked at before `from`. */
  async notified(fits, { from = 0, ms = 30_000 } = {}) {
    const find = () => this.notifications.slice(from).find(fits);
    let hear;
    const found = new Promise((resolve) => {
      hear = () => find() && resolve(find());
      this.#hearing.add(hear);
      hear();
    });
    const told = () => JSON.stringify(this.notifications.slice(from));
    return within(ms, "a notification", found)
      .catch((error) => {
        throw new Error(`${error.message}; there were: ${told()}`);
      })
      .finally(() => this.#hearing.delete(hear));
  }

  /** Waits until somebody has this name on the session bus. */
  owned = (name) => until(`${name} on the session bus`, () => this.#ask("owned", { name }));

  press = (number, action) => this.#ask("press", { number, action });
  icon = () => this.#ask("icon");
  windows = () => this.#ask("windows");
  closeWindow = () => this.#ask("close");
  /** When the screen first shows `least` dots of a colour, one above the other: epoch milliseconds. */
  rows = (colour, { left, right, least }) =>
    this.#ask("rows", { colour, left, right, least, seconds: 30 }, 40_000);
  resizeWindow = (width, height) => this.#ask("resize", { width, height });

  /** All entries of the tray's menu, those of submenus too, without separators. */
  async menu() {
    const flat = (entry) => entry.children.flatMap((child) => [child, ...flat(child)]);
    return flat(await this.#ask("menu")).filter(({ separator, visible }) => !separator && visible);
  }

  /** Waits until the tray's menu has an entry that `fits`, and answers it. */
  menuEntry(words, fits, ms = 20_000) {
    let last = [];
    return until(`${words} in the tray`, async () => (last = await this.menu()).find(fits), { ms }).catch(
      (error) => {
        const labels = last.map(({ label, checked }) => `${checked ? "[x] " : ""}${label}`).join(" | ");
        throw new Error(`${error.message}; the menu: ${labels}`);
      },
    );
  }

  async click(words, fits) {
    // A menu may be made anew between reading and clicking; its ids are others then.
    const { id } = await this.menuEntry(words, (entry) => entry.enabled && fits(entry));
    await this.#ask("click", { item: id });
  }

  get said() {
    return this.#program.said;
  }

  async stop() {
    await this.#program.stop();
  }
}
