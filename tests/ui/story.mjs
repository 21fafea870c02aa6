// One promise to the user, kept or not in a real window.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Desktop } from "./desktop/desktop.mjs";
import { within } from "./desktop/within.mjs";
import { Nodes } from "./pages/nodes.mjs";
import { Terminal } from "./pages/terminal.mjs";
import { Tunnels } from "./pages/tunnels.mjs";
import { Sandbox } from "./sandbox.mjs";
import { AppWindow } from "./window.mjs";

const binary = process.env.ADIT_WINDOW_BINARY;
/** Where pictures of failures are left. */
const failures = process.env.ADIT_WINDOW_FAILURES;

/** What a story has: a desktop of its own, and the app in it. */
export class Scene {
  #closing = [];

  /** The desktop, made when it is first asked for. */
  async enter(options) {
    this.desktop ??= await Desktop.start(options);
    return this.desktop;
  }

  /** Starts the app. Answers the window with its pages. */
  async open({ args = [], env = {}, desktop = {} } = {}) {
    await this.enter(desktop);
    const window = new AppWindow(this.desktop);
    this.window = window;
    await window.open({ binary, args, env });
    return {
      window,
      nodes: new Nodes(window),
      terminal: new Terminal(window),
      tunnels: new Tunnels(window),
      services: this.desktop.services,
      sandbox: () => Sandbox.of(window),
    };
  }

  /** Runs something at the end of the story, whatever comes. */
  atEnd(work) {
    this.#closing.push(work);
  }

  /** Leaves a picture, and says where it is. */
  async keepPicture(title) {
    if (failures === undefined || this.window?.driver === undefined) return "";
    mkdirSync(failures, { recursive: true });
    const path = join(failures, `${title.replace(/\W+/g, "-")}.png`);
    await within(10_000, "a picture", this.window.picture(path));
    return `a picture of it: ${path}`;
  }

  async close() {
    for (const work of this.#closing.reverse()) await work();
    await this.desktop?.close();
  }
}

/** Tells a story; answers whether its promise was kept. One line says so. */
export async function tell({ title, play, minutes = 2 }, { out = process.stdout } = {}) {
  const scene = new Scene();
  const start = performance.now();
  try {
    await within(minutes * 60_000, "the end of the story", play(scene));
    out.write(`ok - ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);
    return true;
  } catch (error) {
    out.write(`not ok - ${title}: ${error.message.split("\n")[0]}\n`);
    const picture = await scene.keepPicture(title).catch((problem) => `no picture: ${problem.message}`);
    process.stderr.write(`\n${title}:\n${error.stack}\n${picture}\n${scene.desktop?.said() ?? ""}\n`);
    return false;
  } finally {
    await scene.close();
  }
}
