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
];
