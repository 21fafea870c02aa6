import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "./accounts.mjs";
import { filesOf, quit } from "./restart.mjs";

export default [
  {
    title: "access keys are checked, kept in the keyring, and written to no file",
    minutes: 3,
    async play(scene) {
      const desktop = await scene.enter();
      const { url } = await serve(scene, join(desktop.folder, "elsewhere"));
      const text = readFileSync(join(desktop.folder, "elsewhere", "credentials"), "utf8");
      const [, key, secret] = text.match(/\[sandbox-dev\]\s+aws_access_key_id = (\S+)\s+aws_secret_access_key = (\S+)/);
      const env = { AWS_ENDPOINT_URL: url };
      let { window, nodes, services } = await scene.open({ env });
      await window.click("button", "Add access keys");
      const inside = ["dialog", "Add account"];
      const fill = async (given) => {
        await window.fill("textbox", "Name", "mine", { inside });
        await window.fill("textbox", "Access key id", key, { inside });
        await window.click("textbox", "Region", { inside });
        await window.fill("textbox", "Region", "eu-central-1", { inside });
        const field = await window.run(() => document.querySelector("dialog input[type=password]"));
        await field.clear();
        await field.sendKeys(given);
        await window.click("button", "Add", { inside });
      };
      await fill("wrong".repeat(8));
      await window.find("alert", undefined, { inside });
      await fill(secret);
      await window.gone(...inside);
      await window.find("button", "mine");
      await nodes.counted("nodes", ({ total }) => total >= 10);
      await nodes.filter("dev-ci-runner-01");
      await nodes.cell("dev-ci-runner-01");
      for (const path of filesOf(desktop)) assert.ok(!readFileSync(path).includes(secret), `the secret is in ${path}`);
      assert.ok(!window.said.includes(secret), "the secret is in the log");
      await quit(scene, services);

      ({ window, nodes } = await scene.open({ env }));
      await window.click("button", "mine");
      await nodes.counted("nodes", ({ total }) => total >= 10);
      await nodes.connect("dev-ci-runner-01");
      await window.find("img", "Connected", { inside: ["banner"] });
    },
  },
  {
    title: "a sign-in for new accounts shows its code, can be given up, and brings them",
    async play(scene) {
      const desktop = await scene.enter();
      const { url } = await serve(scene, join(desktop.folder, "elsewhere"));
      const { window, nodes } = await scene.open({ env: { AWS_ENDPOINT_URL: url } });
      const inside = ["dialog", "Add account"];
      const ask = async () => {
        await window.click("button", "Sign in with IAM Identity Center");
        await window.fill("textbox", "Start URL", "https://feldspar.awsapps.com/start", { inside });
        await window.fill("textbox", "Region", "eu-central-1", { inside });
        await window.click("button", "Sign in", { inside });
        await window.find("button", "Open the page again", { inside });
        const [code] = (await window.text("dialog .page b")).match(/^\w{4}-\w{4}$/);
        return code;
      };
      const given = await ask();
      await window.click("button", "Cancel", { inside });
      await window.gone(...inside);
      const code = await ask();
      assert.notEqual(code, given);
      await fetch(`${url}/sign-in?user_code=${code}&answer=allow`);
      await window.gone(...inside);
      await nodes.counted("nodes", ({ total }) => total >= 10);
      await window.find("navigation", "Scope");
      await window.see("feldspar.awsapps.com", { where: "nav" });
    },
  },
  {
    title: "credentials that have expired are told where they are missed, and what waited goes on",
    async play(scene) {
      const { window, nodes, terminal, sandbox } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const far = await sandbox();
      await far.play({ fault: "expire_credentials", expired: true });
      await nodes.connect("prod-storefront-01");
      await window.see(/expired|not accepted/i, { where: "[role=alert]" });
      await far.play({ fault: "expire_credentials", expired: false });
      await window.click("button", /Retry|Sign in/, { inside: ["alert"] });
      await terminal.prompt();
    },
  },
];
