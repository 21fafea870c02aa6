// The page of tunnels, and the form that makes one.

import { until } from "../desktop/within.mjs";

export class Tunnels {
  constructor(window) {
    this.window = window;
  }

  async show() {
    await this.window.click("tab", /^Tunnels/);
    await this.window.find("textbox", "Filter tunnels");
  }

  /** Fills the form and saves. `start: false` only saves. */
  async add({ node, host = "", port, local = "", name, group = "", start = true }) {
    const { window } = this;
    await this.show();
    await window.click("button", "Add tunnel", { first: true });
    const inside = ["dialog", "Add tunnel"];
    await window.find(...inside);
    await window.fill("combobox", "Node", node, { inside });
    await window.find("option", new RegExp(node), { inside, first: true });
    await window.press("Enter");
    if (host !== "") await window.fill("combobox", "Remote host", host, { inside });
    await window.fill("textbox", "Remote port", String(port), { inside });
    if (local !== "") await window.fill("textbox", "Local port", String(local), { inside });
    await window.fill("textbox", "Name", name, { inside });
    if (group !== "") await window.fill("combobox", "Group", group, { inside });
    await window.click("button", start ? "Save and start" : "Save", { inside });
    await window.gone("dialog", "Add tunnel");
    await window.find("switch", name);
  }

  async flip(name) {
    await this.window.click("switch", name);
  }

  isOn(name, on) {
    return this.window.find("switch", name, { more: { checked: on } });
  }

  /** Everything its row says. */
  row(name) {
    return this.window.run((label) => {
      const item = document.querySelector(`[role=switch][aria-label="${label}"]`)?.closest("li");
      return item?.innerText.replace(/\s+/g, " ") ?? "";
    }, name);
  }

  /** Waits until its row says what `pattern` finds. */
  async says(name, pattern, { ms = 30_000 } = {}) {
    let last = "";
    return until(`${pattern} of ${name}`, async () => (last = await this.row(name)).match(pattern), { ms }).catch(
      (error) => {
        throw new Error(`${error.message}; it says: ${last}`);
      },
    );
  }

  /** Waits until it listens and answers the local port. */
  async listens(name, options) {
    await this.says(name, /Listening on|connection/, options);
    const [, port] = await this.says(name, /localhost:(\d+)/);
    return Number(port);
  }

  /** A button in its row. */
  async press(name, label) {
    await this.window.click("button", label, { inside: ["listitem", undefined, { name: new RegExp(name) }] });
  }

  /** An entry of its menu. */
  async choose(name, entry) {
    await this.window.click("button", `More for ${name}`);
    await this.window.click(/^(Log)$/.test(entry) ? "menuitemcheckbox" : "menuitem", entry);
  }
}
