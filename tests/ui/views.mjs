// Every view of the window, as a user gets to it. Audited and photographed in both themes.

import { freePort } from "./window.mjs";

const close = ({ window }) => window.press("Escape");

/**
 * In order; each begins where the one before has left. `show` leads to the view, `leave` away from
 * it. They get a scene's stage: the window and its pages.
 */
export const views = [
  { name: "first-run", show: ({ nodes }) => nodes.counted("nodes", ({ total }) => total >= 50) },
  {
    name: "nodes",
    async show({ window, nodes }) {
      await nodes.filter("tag:Env=prod platform:linux store");
      const cell = await nodes.cell("prod-storefront-01");
      await cell.click();
      await window.find("complementary", "Details of prod-storefront-01");
    },
  },
  {
    name: "nodes-completion",
    async show({ window, nodes }) {
      await nodes.filter("tag:Env=prod tag:App=");
      await window.find("option", /App=/, { first: true });
    },
    leave: close,
  },
  {
    name: "nodes-none",
    async show({ window, nodes }) {
      await nodes.filter("no such node");
      await window.see("No node fits the filter");
    },
    leave: ({ nodes }) => nodes.filter(""),
  },
  {
    name: "nodes-menu",
    async show({ window, nodes }) {
      await nodes.filter("prod-ledger");
      await window.rightClick(await nodes.cell("prod-ledger-01"));
      await window.find("menu");
    },
    leave: close,
  },
  {
    name: "nodes-picked",
    async show({ window, nodes }) {
      await nodes.filter("prod-orders");
      await (await nodes.cell("prod-orders-01")).click();
      await window.press("Shift+Down", "Shift+Down", "Shift+Down");
      await window.find("toolbar", /./);
    },
  },
  {
    name: "nodes-run",
    async show({ window }) {
      await window.click("button", "Run a command…");
      await window.find("dialog", /command/i);
      await window.type("uptime\n");
      await window.see(/load average/, { where: "dialog" });
    },
    leave: close,
  },
  {
    name: "nodes-diagnosis",
    async show({ window, nodes }) {
      await nodes.filter("hamburg-till-02");
      await window.click("button", "Why?");
      await window.find("region", "Diagnosis", { more: { busy: false } });
    },
    leave: ({ nodes }) => nodes.filter(""),
  },
  {
    name: "terminal",
    async show({ nodes, terminal }) {
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await terminal.type("ls -la --color /etc/default\n");
      await terminal.reads(/total \d+[^]*[$#] ?\n?$/);
    },
  },
  {
    name: "terminal-find",
    async show({ window }) {
      await window.press("Ctrl+Shift+f");
      await window.find("textbox", "Find");
      await window.type("root");
      await window.see(/\d+ of \d+|found/, { where: "[role=search]" });
    },
    leave: close,
  },
  {
    name: "terminal-split",
    async show({ window, terminal }) {
      await window.press("Ctrl+Shift+d");
      await terminal.prompt({ pane: 1 });
      await terminal.type("uptime\n");
      await window.press("Ctrl+Shift+b");
      await window.find("toolbar", "Broadcast");
      await terminal.type("whoami\n");
      await terminal.reads(/whoami\s+\S+/, { pane: 1 });
    },
    async leave({ window }) {
      await window.click("button", "Stop", { inside: ["toolbar", "Broadcast"] });
      await window.click("button", "Close pane", { first: true });
    },
  },
  {
    name: "terminal-reconnecting",
    async show({ window, sandbox }) {
      const far = await sandbox();
      await far.cutNetwork();
      await window.find("button", "Retry now");
    },
    async leave({ sandbox, terminal }) {
      const far = await sandbox();
      await far.mendNetwork();
      await terminal.state("Connected", { ms: 60_000 });
    },
  },
  {
    name: "terminal-ended",
    async show({ window, terminal }) {
      await terminal.type("exit\n");
      await window.see("Press Enter to reconnect");
    },
  },
  {
    name: "terminal-failed",
    async show({ window, nodes }) {
      await nodes.connect("hamburg-till-02");
      await window.see("Can’t start a session");
      await window.run(() => document.querySelector("[role=alert] details").setAttribute("open", ""));
    },
    leave: ({ window }) => window.press("Ctrl+w"),
  },
  {
    name: "tunnels-none",
    async show({ window, tunnels }) {
      await tunnels.show();
      await window.see("No tunnels yet");
    },
  },
  {
    name: "tunnels-form",
    async show({ window }) {
      await window.click("button", "Add tunnel", { first: true });
      const inside = ["dialog", "Add tunnel"];
      await window.fill("combobox", "Node", "prod-bastion-01", { inside });
      await window.press("Enter");
      await window.fill("combobox", "Remote host", "orders-db.internal", { inside });
      await window.fill("textbox", "Remote port", "5432", { inside });
      await window.see(/free|Empty/i, { where: "dialog" });
    },
    leave: close,
  },
  {
    name: "tunnels",
    async show(stage) {
      const { tunnels } = stage;
      const some = [
        { name: "orders database", node: "prod-bastion-01", host: "orders-db.internal", port: 5432, group: "Databases" },
        { name: "session cache", node: "prod-session-cache-01", port: 6379, group: "Databases" },
        { name: "wiki", node: "prod-bastion-01", host: "wiki.internal", port: 80, group: "Web" },
        { name: "shop, first web server", node: "prod-storefront-01", port: 8080, group: "Web" },
        { name: "billing database", node: "prod-bastion-01", host: "billing-db.internal", port: 5432, group: "Databases", start: false },
      ];
      for (const each of some) await tunnels.add({ ...each, local: await freePort() });
      for (const { name, start = true } of some) if (start) await tunnels.says(name, /Listening/);
      await traffic(await tunnels.listens("wiki"));
    },
  },
  {
    name: "tunnels-log",
    async show({ window, tunnels }) {
      await tunnels.choose("wiki", "Log");
      await window.find("log", "Log of wiki");
    },
    leave: ({ tunnels }) => tunnels.choose("wiki", "Log"),
  },
  {
    name: "tunnels-failed",
    async show({ window, tunnels }) {
      await tunnels.add({ name: "port below 1024", node: "prod-storefront-01", port: 8080, local: 1, group: "Web" });
      await tunnels.says("port below 1024", /Listening|may not|denied|taken/i);
      await window.find("switch", "port below 1024");
    },
  },
  {
    name: "notice",
    async show({ window, tunnels }) {
      await tunnels.choose("port below 1024", "Remove");
      await window.find("button", "Undo");
    },
  },
  {
    name: "palette",
    async show({ window }) {
      await window.press("Ctrl+k");
      await window.find("combobox", "Go to anything");
      await window.type("store");
      await window.find("option", /storefront/, { first: true });
    },
    leave: close,
  },
  {
    name: "account-add",
    async show({ window }) {
      await window.click("button", "Add account");
      await window.find("dialog", "Add account");
    },
    leave: close,
  },
  {
    name: "account-edit",
    async show({ window }) {
      await window.press("Ctrl+k");
      await window.type("Edit account");
      await window.press("Enter");
      await window.find("dialog", "Edit account");
    },
    leave: close,
  },
  {
    name: "settings",
    async show({ window }) {
      await window.press("Ctrl+,");
      await window.find("heading", "Settings");
    },
  },
  {
    name: "shortcuts",
    async show({ window }) {
      await window.press("F1");
      await window.find("dialog", /shortcuts/i);
    },
    leave: close,
  },
  {
    name: "sidebar-collapsed",
    async show({ window, nodes }) {
      await nodes.show();
      await window.press("Ctrl+b");
      await window.find("button", "Show the sidebar");
    },
    leave: ({ window }) => window.press("Ctrl+b"),
  },
];

/** So that the tunnel has something to show. */
async function traffic(port) {
  for (let at = 0; at < 4; at += 1) {
    await fetch(`http://127.0.0.1:${port}/bytes/200000`).then((answer) => answer.arrayBuffer());
  }
}

/** Sets the theme as the settings page does. */
export async function setTheme({ window }, theme) {
  await window.press("Ctrl+,");
  const choice = await window.find("combobox", "Theme");
  await choice.sendKeys(theme === "dark" ? "Dark" : "Light");
  await window.until(`the ${theme} theme`, (want) => document.documentElement.dataset.theme === want, { given: [theme] });
  await window.click("tab", /^Nodes/);
}

/** Goes through all views, `look(name)` in each. */
export async function walk(stage, look) {
  for (const { name, show, leave } of views) {
    try {
      await show(stage);
    } catch (error) {
      throw new Error(`on the way to ${name}: ${error.message}`, { cause: error });
    }
    await look(name);
    await leave?.(stage);
  }
}
