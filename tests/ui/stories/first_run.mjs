import assert from "node:assert/strict";

export default [
  {
    title: "a first start opens in the sandbox, under a strip that says so",
    async play(scene) {
      const { window, nodes } = await scene.open();
      await window.find("region", "You are in the sandbox");
      await nodes.counted("all the sandbox's nodes", ({ total }) => total >= 50);
      for (const way of ["Sign in with IAM Identity Center", "Add access keys", "Use an AWS config file"]) {
        await window.find("button", way);
      }
      await window.find("button", /^All accounts/);
      const names = await nodes.names();
      assert.ok(names.length > 10, `rows: ${names.join(" ")}`);
    },
  },
  {
    title: "words and key:value narrow the nodes down",
    async play(scene) {
      const { window, nodes } = await scene.open();
      const { total } = await nodes.counted("nodes", ({ total: all }) => all >= 50);
      await nodes.filter("storefront");
      await nodes.counted("fewer nodes", ({ shown }) => shown > 0 && shown < total);
      for (const name of await nodes.names()) assert.match(name, /storefront/);
      await nodes.filter("platform:windows ");
      await window.find("button", "Edit platform:windows");
      await nodes.counted("fewer nodes", ({ shown }) => shown > 0 && shown < total);
      for (const name of await nodes.names()) assert.match(name, /billing|ledger|reports|till/);
      await nodes.filter("tag:Role=bastion !ping:lost ");
      await nodes.counted("the bastions", ({ shown }) => shown > 0 && shown < 10);
      for (const name of await nodes.names()) assert.match(name, /bastion/);
      await nodes.filter("no-such-node");
      await window.see("No node fits the filter");
      await window.click("button", "Clear the filter", { first: true });
      await nodes.counted("all again", (count) => count.total === total && count.shown === total);
    },
  },
];
