// The page of nodes.

import { until } from "../desktop/within.mjs";

export class Nodes {
  constructor(window) {
    this.window = window;
  }

  async show() {
    await this.window.click("tab", /^Nodes/);
    await this.window.find("combobox", "Filter nodes");
  }

  /** Takes an account, or a region of it, in the sidebar. */
  async look(account, region) {
    const scope = { inside: ["navigation", "Scope"] };
    // A count may stand behind its name.
    if (region === undefined) await this.window.click("button", new RegExp(`^${account}( [\\d\\s]+)?$`), scope);
    else await this.window.run(regionButton, account, region);
  }

  /** Types a filter in the place of the one that is there. */
  async filter(text) {
    await this.window.press("Ctrl+l");
    for (;;) {
      const clear = await this.window.all(["button", "Clear the filter"]);
      if (clear.length === 0) break;
      await clear[0].click();
    }
    await this.window.type(text);
  }

  /** `shown` and `total` as the count beside the filter says. */
  async count() {
    const words = await this.window.text(".bar > .count");
    const numbers = words.replace(/\u202f|\u00a0| (?=\d)/g, "").match(/\d+/g)?.map(Number) ?? [];
    return { shown: numbers[0] ?? 0, total: numbers.at(-1) ?? 0 };
  }

  /** Waits until so many are shown; `fits` judges the count. */
  counted(words, fits, ms) {
    return until(words, async () => {
      const count = await this.count();
      return fits(count) && count;
    }, { ms });
  }

  /** The cell with that name: what a person points at. */
  cell(name) {
    return this.window.find("gridcell", name);
  }

  /** The names of the rows that are drawn. */
  names() {
    return this.window.run(() =>
      [...document.querySelectorAll("[role=grid] [role=row][id^=node]")].map(
        (row) => row.querySelectorAll("[role=gridcell]")[1].innerText,
      ),
    );
  }

  /** Opens a terminal on it as most people will. */
  async connect(name) {
    await this.show();
    await this.filter(name);
    await this.window.doubleClick(await this.cell(name));
    await this.window.find("tab", new RegExp(`^${name}`), { more: { selected: true } });
  }
}

/** Clicks in the page: several accounts have a region of the same name. */
function regionButton(account, region) {
  const items = [...document.querySelectorAll("nav li")];
  const item = items.find((each) => each.querySelector(":scope > .account .clip")?.textContent === account);
  const button = [...item.querySelectorAll("button.region")].find((each) => each.textContent.includes(region));
  button.click();
}
