import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../desktop/within.mjs";
import { freePort } from "../window.mjs";

const named = (name) => ({ label }) => label.includes(name);

/** All files of the app's own under its home. */
export function filesOf(desktop) {
  const walk = (folder) =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)],
    );
  return walk(desktop.home).filter((path) => statSync(path).isFile());
}

/** Ends the app as a user does, so that it may keep what it has to. */
export async function quit(scene, services) {
  await services.click("Quit", named("Quit"));
  const apps = () => scene.desktop.processes().filter(({ command }) => /^adit-desktop/.test(command));
  await until("the app to end", () => apps().length === 0);
  await scene.window.close();
}

export default [
  {
    title: "after a restart tunnels, favourites and tabs are where they were",
    minutes: 3,
    async play(scene) {
      let { window, nodes, terminal, tunnels, services } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const port = await freePort();
      await tunnels.add({ node: "prod-storefront-01", port: 8080, local: port, name: "shop", group: "web", start: false });
      await nodes.connect("prod-orders-01");
      await terminal.prompt();
      await terminal.type("echo remember-$((40+2))\n");
      await terminal.reads(/^remember-42$/m);
      await nodes.show();
      await nodes.filter("prod-orders-01");
      await (await nodes.cell("prod-orders-01")).click();
      await window.click("button", "Favourite");
      await window.find("region", "Favourites");
      await window.press("Ctrl+3");
      await quit(scene, services);

      ({ window, nodes, terminal, tunnels, services } = await scene.open());
      await window.find("region", "Favourites");
      await window.find("tab", /^prod-orders-01/);
      await nodes.show();
      await window.click("tab", /^prod-orders-01/);
      await terminal.reads(/^remember-42$/m);
      await window.see("Press Enter to reconnect");
      await window.type("\n");
      await terminal.state("Connected");
      await terminal.type("echo anew-$((40+3))\n");
      await terminal.reads(/^anew-43$/m);
      await tunnels.show();
      await tunnels.isOn("shop", false);
      await tunnels.says("shop", /via prod-storefront-01/);
      await window.find("region", "web");
    },
  },
  {
    title: "what is written into a file by hand shows in the window by itself",
    async play(scene) {
      const { window, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      await window.press("Ctrl+,");
      await (await window.find("combobox", "Theme")).sendKeys("Dark");
      const shows = (theme) =>
        window.until(`the ${theme} theme`, (want) => document.documentElement.dataset.theme === want, { given: [theme] });
      await shows("dark");
      const written = () => filesOf(scene.desktop).find((path) => /settings\.toml$/.test(path));
      const file = await until("the settings file", written);
      writeFileSync(file, readFileSync(file, "utf8").replace('theme = "dark"', 'theme = "light"'));
      await shows("light");
      mkdirSync(join(scene.desktop.home, ".aws"));
      writeFileSync(join(scene.desktop.home, ".aws", "config"), "[profile by-hand]\nregion = eu-west-1\n");
      await window.find("button", "by-hand");
    },
  },
  {
    title: "a settings file that does not parse is set aside, kept, and told",
    async play(scene) {
      let { window, services } = await scene.open();
      await window.press("Ctrl+,");
      await window.find("heading", "Settings");
      const theme = await window.find("combobox", "Theme");
      await theme.sendKeys("Dark");
      await window.until("the dark theme", () => document.documentElement.dataset.theme === "dark");
      const file = await until("the settings file", () => filesOf(scene.desktop).find((path) => /settings\.\w+$/.test(path)));
      await quit(scene, services);
      const broken = `${readFileSync(file, "utf8")}\n= this is = not settings [[[\n`;
      writeFileSync(file, broken);
      ({ window, services } = await scene.open());
      await window.see(/settings.*set aside/i);
      const kept = filesOf(scene.desktop).filter((path) => path.startsWith(file) && path !== file);
      assert.ok(kept.some((path) => readFileSync(path, "utf8") === broken), `beside it: ${kept}`);
    },
  },
];
