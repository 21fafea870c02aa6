import assert from "node:assert/strict";
import { until } from "../desktop/within.mjs";
import { freePort } from "../window.mjs";

const answers = async (port) => {
  const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5000) });
  return (await answer.text()) === "ok\n";
};

const named = (name) => ({ label }) => label.includes(name);
const seen = async (services) => (await services.windows()).some((each) => each.seen);

/** A window with the tunnel "shop" saved. */
async function withTunnel(scene, options = {}) {
  const stage = await scene.open();
  await stage.nodes.counted("nodes", ({ total }) => total >= 50);
  const port = await freePort();
  await stage.tunnels.add({ node: "prod-storefront-01", port: 8080, local: port, name: "shop", ...options });
  if (options.start !== false) await stage.tunnels.listens("shop");
  return { ...stage, port };
}

export default [
  {
    title: "closing the window keeps tunnels up; the tray switches them and brings the window back",
    async play(scene) {
      const { services, port } = await withTunnel(scene);
      await services.menuEntry("the tunnel, checked", (entry) => named("shop")(entry) && entry.checked);
      assert.ok(await seen(services));
      await services.closeWindow();
      await until("the window to go", async () => !(await seen(services)));
      assert.ok(await answers(port), "the tunnel is still up");
      await services.click("the tunnel", named("shop"));
      await services.menuEntry("the tunnel, unchecked", (entry) => named("shop")(entry) && !entry.checked);
      await until("its port to close", () => answers(port).then(() => false, () => true));
      await services.click("the tunnel", named("shop"));
      await until("its page again", () => answers(port));
      await services.click("Open Adit", named("Open Adit"));
      await until("the window", () => seen(services));
    },
  },
  {
    title: "the tray's Quit ends the app, its tunnels and its sessions",
    async play(scene) {
      const { services, window, port } = await withTunnel(scene);
      await services.click("Quit", named("Quit"));
      await until("its port to close", () => answers(port).then(() => false, () => true));
      const apps = () => scene.desktop.processes().filter(({ command }) => /^adit-desktop/.test(command));
      await until(`the app to end`, () => apps().length === 0);
      assert.doesNotMatch(window.said, /panicked/);
    },
  },
  {
    title: "a tunnel that is lost is told with a button that acts, and told again when it is back",
    minutes: 3,
    async play(scene) {
      const { services, sandbox, tunnels, port } = await withTunnel(scene);
      const far = await sandbox();
      await far.cutNetwork();
      const lost = await services.notified(({ summary }) => /shop/.test(summary), { ms: 60_000 });
      const [action, label] = Object.entries(lost.buttons).find(([, words]) => /retry|try/i.test(words)) ?? [];
      assert.ok(action, `buttons: ${JSON.stringify(lost.buttons)}`);
      const from = services.notifications.length;
      await far.mendNetwork();
      await services.press(lost.number, action);
      await services.notified(({ summary, body }) => /shop/.test(`${summary} ${body}`), { from, ms: 60_000 });
      await tunnels.listens("shop");
      assert.ok(await answers(port), label);
    },
  },
  {
    title: "a second start brings the first one's window to the front",
    async play(scene) {
      const { services } = await withTunnel(scene);
      await services.closeWindow();
      await until("the window to go", async () => !(await seen(services)));
      const second = scene.desktop.run("second", process.env.ADIT_WINDOW_BINARY, []);
      await second.ended;
      await until("the window", () => seen(services));
    },
  },
];
