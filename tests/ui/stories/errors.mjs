import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export default [
  {
    title: "a node that is offline says since when and why, with a diagnosis",
    async play(scene) {
      const { window, nodes } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      await nodes.filter("hamburg-till-02");
      await nodes.cell("hamburg-till-02");
      await window.see(/lost 19 h ago|last ping(ed)? 19 h ago|19 h/i);
      await window.click("button", "Why?");
      await window.find("region", "Diagnosis");
      await window.see(/ago/, { where: ".diagnosis" });
      await nodes.connect("hamburg-till-02");
      await window.find("alert");
      await window.see("Can’t start a session on hamburg-till-02");
      await window.see("TargetNotConnected");
      await window.find("button", "Diagnose");
      await window.find("button", "Retry");
    },
  },
  {
    title: "a machine that Systems Manager does not know is found, with what it lacks",
    async play(scene) {
      const { window, nodes } = await scene.open();
      const { total } = await nodes.counted("nodes", (count) => count.total >= 50);
      await window.click("button", "1 not managed");
      await window.find("button", "Edit ping:unmanaged");
      await nodes.cell("prod-metrics-02");
      await window.click("button", "Why is it not managed?");
      await window.see(/prod-metrics-02 can.t be reached[^]*Install the SSM Agent/, { where: ".diagnosis" });
      await nodes.filter("prod-metrics");
      await nodes.counted("both of the kind", ({ shown }) => shown === 2);
      await nodes.filter("");
      await nodes.counted("those that are managed", (count) => count.shown === total);
    },
  },
  {
    title: "a call that is not allowed says which, and a throttled one is tried again",
    async play(scene) {
      const { window, nodes, terminal, sandbox } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      const far = await sandbox();
      const message = "User: mara is not authorized to perform: ssm:StartSession";
      await far.play({ fault: "refuse", operation: "StartSession", code: "AccessDeniedException", message, times: 1 });
      await nodes.connect("prod-storefront-01");
      await window.see(/AccessDenied|not authorized/, { where: "[role=alert]" });
      await window.click("button", "Retry", { inside: ["alert"] });
      await terminal.prompt();
      await far.play({ fault: "throttle", operation: "StartSession", times: 1 });
      await nodes.connect("prod-orders-01");
      await terminal.prompt({ ms: 60_000 });
    },
  },
  {
    title: "a file that can't be read is told of, and the notice lies over no button",
    async play(scene) {
      const { home } = await scene.enter();
      mkdirSync(join(home, ".aws"));
      writeFileSync(join(home, ".aws", "config"), "[profile shop\nregion = eu-west-1\n");
      const { window, nodes } = await scene.open();
      await window.see("The AWS config file can’t be read", { where: "[role=log]" });
      await nodes.connect("hamburg-till-02");
      await window.find("button", "Retry", { inside: ["alert"] });
      assert.deepEqual(await window.run(covered), []);
    },
  },
];

/** Buttons on the page with something else over them. */
function covered() {
  const hidden = [...document.querySelectorAll("button")].filter((button) => {
    const { left, top, width, height } = button.getBoundingClientRect();
    const over = document.elementFromPoint(left + width / 2, top + height / 2);
    return width > 0 && getComputedStyle(button).visibility !== "hidden" && !button.contains(over);
  });
  return hidden.map((button) => button.ariaLabel ?? button.innerText);
}
