// The app's window as a person has it: found by role and name, clicked, typed into.

import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { until, within } from "./desktop/within.mjs";
import { fileOf, http, selenium } from "./modules.mjs";

const { Capabilities, Key, WebDriver } = selenium;

const finder = [
  fileOf("@testing-library/dom/dist/@testing-library/dom.umd.min.js"),
  fileURLToPath(new URL("page.js", import.meta.url)),
]
  .map((path) => readFileSync(path, "utf8"))
  .join("\n");

/** Keys by the names that chords use. */
const keys = {
  Ctrl: Key.CONTROL, Shift: Key.SHIFT, Alt: Key.ALT, Enter: Key.ENTER, Escape: Key.ESCAPE, Tab: Key.TAB,
  Delete: Key.DELETE, Backspace: Key.BACK_SPACE, Space: " ", Up: Key.ARROW_UP, Down: Key.ARROW_DOWN,
  Left: Key.ARROW_LEFT, Right: Key.ARROW_RIGHT, Home: Key.HOME, End: Key.END, F1: Key.F1, F2: Key.F2, F5: Key.F5,
};

export class AppWindow {
  #driver;
  #program;

  constructor(desktop) {
    this.desktop = desktop;
  }

  /**
   * Starts `binary` under WebDriver and waits for its page. `ready` is what the page shows when it
   * is there: a role and a name.
   */
  async open({ binary, args = [], env = {}, ready = { role: "contentinfo", name: "Status" } }) {
    const port = await freePort();
    this.#program = this.desktop.run("app", "WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"], {
      env: { TAURI_WEBVIEW_AUTOMATION: "true", ...env },
    });
    await until("the driver to answer", () => isOpen(port));
    const capabilities = new Capabilities({ "webkitgtk:browserOptions": { binary, args } });
    const executor = new http.Executor(new http.HttpClient(`http://127.0.0.1:${port}`));
    const driver = WebDriver.createSession(executor, capabilities);
    // A session whose program ends at its start never answers.
    const gone = this.#program.ended.then((how) => Promise.reject(new Error(`the driver ${how}`)));
    try {
      await within(60_000, "the window", Promise.race([driver.getSession(), gone]));
    } catch (error) {
      await this.#program.stop();
      throw error;
    }
    this.#driver = driver;
    await driver.manage().setTimeouts({ script: 60_000, pageLoad: 60_000 });
    if (ready !== null) {
      await this.find(ready.role, ready.name, { ms: 60_000 });
      await this.watchTerminals();
    }
  }

  get driver() {
    return this.#driver;
  }

  /** What the app has written to its standard output and error. */
  get said() {
    return this.#program.said;
  }

  says(pattern, ms) {
    return this.#program.says(pattern, ms);
  }

  /** Runs a function in the page. Arguments and answer are JSON. */
  async run(work, ...given) {
    const script = `return (${work}).apply(null, arguments)`;
    return this.#driver.executeScript(script, ...given);
  }

  /** The same for a function that answers a promise. */
  async runAsync(work, ...given) {
    const answer = await this.#driver.executeAsyncScript(
      `const done = arguments[arguments.length - 1];
       Promise.resolve((${work}).apply(null, [...arguments].slice(0, -1)))
         .then((ok) => done({ ok }), (error) => done({ failed: String(error) }))`,
      ...given,
    );
    if (answer.failed !== undefined) throw new Error(answer.failed);
    return answer.ok;
  }

  /** Waits until a function in the page answers something true, and answers that. */
  until(words, work, { given = [], ms = 20_000 } = {}) {
    return until(words, () => this.run(work, ...given), { ms });
  }

  /** Makes sure that `window.look` is there: it goes with every load of the page. */
  async #equip() {
    if (await this.run(() => window.look === undefined)) await this.#driver.executeScript(finder);
  }

  /** The terminals' code comes a moment after the first frame, and before any terminal. */
  async watchTerminals() {
    await this.#equip();
    const loaded = () =>
      [...document.querySelectorAll("link[href]")].map(({ href }) => href).find((href) => /\/screen-[\w-]+\.js$/.test(href));
    const url = await this.until("the terminals' code", loaded);
    await this.runAsync((address) => window.look.watchScreens(address), url);
  }

  async #all(path) {
    await this.#equip();
    return this.run((wanted) => window.look.all(wanted), path);
  }

  /**
   * The elements that can be seen now. `path` is `[role, name]` or several of these, each inside
   * the one before; a name is a text or a pattern.
   */
  all(...path) {
    return this.#all(steps(path));
  }

  /** Waits for the one element of that role and name. `inside`: the same of what it is in. */
  async find(role, name, { inside = [], more = {}, ms = 20_000, first = false } = {}) {
    const path = steps([...(inside.length > 0 && !Array.isArray(inside[0]) ? [inside] : inside), [role, name, more]]);
    return until(`the ${role} ${name ?? ""}`, async () => {
      const found = await this.#all(path);
      if (found.length > 1 && !first) throw new Error(`there are ${found.length}`);
      return found[0];
    }, { ms });
  }

  /** Waits until there is none. */
  async gone(role, name, { inside = [], ms = 20_000 } = {}) {
    const path = steps([...(inside.length > 0 ? [inside] : []), [role, name]]);
    await until(`no ${role} ${name ?? ""}`, async () => (await this.#all(path)).length === 0, { ms });
  }

  /** Clicks it as soon as it is there and nothing lies over it. */
  async click(role, name, options = {}) {
    await until(`a click on the ${role} ${name ?? ""}`, async () => {
      const element = await this.find(role, name, { ms: 2000, ...options });
      await element.click();
      return true;
    }, { ms: options.ms ?? 20_000 });
  }

  async doubleClick(element) {
    await this.#driver.actions().doubleClick(element).perform();
  }

  async rightClick(element) {
    await this.#driver.actions().contextClick(element).perform();
  }

  async hover(element) {
    await this.#driver.actions().move({ origin: element }).perform();
  }

  /** Types into whatever has the focus. */
  async type(text) {
    await this.#driver.actions().sendKeys(text.replaceAll("\n", Key.ENTER)).perform();
  }

  /** Presses chords such as `Ctrl+Shift+F`, one after the other. */
  async press(...chords) {
    for (const chord of chords) {
      const names = chord === "+" ? ["+"] : chord.split("+");
      const last = names.pop();
      const held = names.map((name) => keys[name]);
      // What the keyboard itself would make of it.
      const key = keys[last] ?? (names.includes("Shift") ? last.toUpperCase() : last);
      let actions = this.#driver.actions();
      for (const each of held) actions = actions.keyDown(each);
      actions = actions.keyDown(key).keyUp(key);
      for (const each of held.toReversed()) actions = actions.keyUp(each);
      await actions.perform();
    }
  }

  /** Puts a text in the place of what a field holds. */
  async fill(role, name, text, options = {}) {
    await this.click(role, name, options);
    await this.press("Ctrl+a");
    if (text === "") await this.press("Backspace");
    else await this.type(text);
  }

  /** Waits until the page shows this text, or one that fits the pattern. */
  see(text, { ms = 20_000, where = "body" } = {}) {
    const { source, flags } = typeof text === "string" ? { source: escape(text), flags: "" } : text;
    const look = (selector, pattern, how) => {
      const told = [...document.querySelectorAll(selector)].map((each) => each.innerText).join("\n");
      return told.replace(/\s+/g, " ").match(new RegExp(pattern, how))?.[0] ?? null;
    };
    return until(`“${text}” on the page`, () => this.run(look, where, source, flags), { ms });
  }

  /** All that can be read on the page. */
  text(selector = "body") {
    return this.run((where) => document.querySelector(where)?.innerText.replace(/\s+/g, " ") ?? "", selector);
  }

  /** Writes a picture of the page. */
  async picture(path) {
    await writeFile(path, Buffer.from(await this.#driver.takeScreenshot(), "base64"));
  }

  /** Ends the app as a crash would, and its driver. */
  async kill() {
    await this.#program.stop();
  }

  /** Ends the session, and the app with it. */
  async close() {
    await within(10_000, "the session to end", this.#driver.quit()).catch(() => {});
    await this.#program.stop();
  }
}

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A path of `[role, name, more]` as the page takes it. */
function steps(path) {
  return path.map(([role, name, more = {}]) => ({
    role,
    ...more,
    ...(name === undefined ? {} : { name: typeof name === "string" ? name : { source: name.source, flags: name.flags } }),
  }));
}

/** A port that nobody has right now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function isOpen(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(1000) });
  return answer.ok;
}
