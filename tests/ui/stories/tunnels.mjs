import assert from "node:assert/strict";
import { createServer } from "node:net";
import { until } from "../desktop/within.mjs";
import { freePort } from "../window.mjs";

/** Holds a port for as long as the story lasts. */
async function holdPort(scene) {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  scene.atEnd(() => new Promise((resolve) => server.close(resolve)));
  return server.address().port;
}

const fetched = async (port, path = "/") => {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(10_000) });
  return answer.text();
};

export default [
  {
    title: "a tunnel is added, switched on, and a page loads through it",
    async play(scene) {
      const { window, tunnels, nodes, sandbox } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const port = await freePort();
      await tunnels.add({ node: "prod-storefront-01", port: 8080, local: port, name: "shop" });
      assert.equal(await tunnels.listens("shop"), port);
      assert.match(await fetched(port), /prod-storefront-01/);
      await tunnels.flip("shop");
      await tunnels.says("shop", /Stopped/);
      await assert.rejects(fetched(port));
      await (await sandbox()).sessions(0);
      await tunnels.flip("shop");
      await tunnels.listens("shop");
      assert.equal(await fetched(port, "/health"), "ok\n");
      await window.see(/1 tunnel/, { where: "footer" });
    },
  },
  {
    title: "a tunnel reaches a host behind the node, by its name",
    async play(scene) {
      const { tunnels, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      await tunnels.add({ node: "prod-bastion-01", host: "wiki.internal", port: 80, name: "wiki", group: "inside" });
      const port = await tunnels.listens("wiki");
      assert.match(await fetched(port, "/health"), /ok/);
    },
  },
  {
    title: "a local port that is taken is told, and a free one offered",
    async play(scene) {
      const { window, tunnels, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const taken = await freePort();
      await tunnels.add({ node: "prod-storefront-01", port: 8080, local: taken, name: "shop", start: false });
      // Somebody else takes it between saving and starting.
      const server = createServer();
      await new Promise((resolve) => server.listen(taken, "127.0.0.1", resolve));
      scene.atEnd(() => new Promise((resolve) => server.close(resolve)));
      await tunnels.flip("shop");
      await tunnels.says("shop", new RegExp(`${taken}.*taken`));
      await window.click("button", /^Use \d+$/);
      const port = await tunnels.listens("shop");
      assert.notEqual(port, taken);
      assert.equal(await fetched(port, "/health"), "ok\n");
    },
  },
  {
    title: "the form says that a port is taken before anything is saved",
    async play(scene) {
      const { window, tunnels, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const taken = await holdPort(scene);
      await tunnels.show();
      await window.click("button", "Add tunnel", { first: true });
      const inside = ["dialog", "Add tunnel"];
      await window.fill("combobox", "Node", "prod-orders-01", { inside });
      await window.find("option", /prod-orders-01/, { inside });
      await window.press("Enter");
      await window.fill("textbox", "Remote port", "8080", { inside });
      await window.fill("textbox", "Local port", String(taken), { inside });
      await window.see(new RegExp(`${taken}.*taken`), { where: "dialog" });
      await window.click("button", /^Use \d+$/, { inside });
      await until("the free port in the field", async () => {
        const field = await window.find("textbox", "Local port", { inside });
        const value = await field.getAttribute("value");
        return value !== String(taken) && value !== "";
      });
    },
  },
  {
    title: "a destination that refuses is told with its remedy",
    async play(scene) {
      const { window, tunnels, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      await tunnels.add({ node: "prod-storefront-01", port: 9999, name: "nothing there" });
      const port = await tunnels.listens("nothing there");
      await fetched(port).catch(() => {});
      await window.see(/9999[^]*refused|does not answer/i);
    },
  },
];
