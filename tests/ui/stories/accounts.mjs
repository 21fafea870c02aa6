import assert from "node:assert/strict";
import { join } from "node:path";
import { Sandbox } from "../sandbox.mjs";

const adit = process.env.ADIT_BINARY;

/** Accounts that the app did not make up: served by another program, with profiles in `folder`. */
export async function serve(scene, folder) {
  const program = (await scene.enter()).run("accounts", adit, ["sandbox", "--profiles", folder]);
  const [, url] = await program.says(/export AWS_ENDPOINT_URL='([^']+)'/);
  return { far: new Sandbox(url), url };
}

export default [
  {
    title: "with AWS profiles it opens on them, and a session of theirs works",
    async play(scene) {
      const desktop = await scene.enter();
      const { far } = await serve(scene, join(desktop.home, ".aws"));
      const { window, nodes, terminal } = await scene.open();
      await window.find("navigation", "Scope");
      // The sandbox, further down, has an account of the same name.
      await window.click("button", "sandbox-prod", { first: true });
      await nodes.counted("nodes", ({ total }) => total >= 50);
      assert.equal((await window.all(["region", "You are in the sandbox"])).length, 0, "a strip about the sandbox");
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await far.sessions(1);
    },
  },
];
