import assert from "node:assert/strict";

export default [
  {
    title: "a double click opens a shell; what is typed runs, what it says is read",
    async play(scene) {
      const { nodes, terminal } = await scene.open();
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await terminal.type("echo hello-$((40+2))\n");
      await terminal.reads(/^hello-42$/m);
      await terminal.state("Connected");
      await terminal.type("stty size; tput colors\n");
      await terminal.reads(/^(3|4|5)\d \d{2,3}\s+256$/m);
    },
  },
  {
    title: "tabs are kept apart, and closing one ends its session",
    async play(scene) {
      const { window, nodes, terminal, sandbox } = await scene.open();
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await terminal.type("whereami=first\n");
      await nodes.connect("prod-orders-01");
      await terminal.prompt();
      await terminal.type("echo second-${whereami:-alone}\n");
      await terminal.reads(/^second-alone$/m);
      await window.press("Ctrl+3");
      await window.find("tab", /^prod-storefront-01/, { more: { selected: true } });
      await terminal.type("echo $whereami-again\n");
      await terminal.reads(/^first-again$/m);
      const far = await sandbox();
      await far.sessions(2);
      await window.press("Ctrl+Shift+w");
      await window.gone("tab", /^prod-storefront-01/);
      await far.sessions(1);
    },
  },
  {
    title: "a cut network is told, and the shell goes on with nothing lost",
    async play(scene) {
      const { window, nodes, terminal, sandbox } = await scene.open();
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await terminal.type("shell=$$; for i in $(seq 1 400); do echo line-$i; sleep 0.01; done; echo all-$((1+1))-lines\n");
      await terminal.reads(/^line-20$/m);
      const far = await sandbox();
      await far.cutNetwork();
      await window.see(/Reconnecting/);
      await window.find("button", "Retry now");
      await terminal.type("echo same-$((shell == $$))\n");
      await far.mendNetwork();
      await window.click("button", "Retry now").catch(() => {});
      await terminal.reads(/^all-2-lines$/m, { ms: 60_000 });
      await terminal.reads(/^same-1$/m);
      await terminal.state("Connected");
      // What is typed meanwhile is echoed among them.
      const lines = [...(await terminal.text()).matchAll(/line-(\d+)\b/g)].map(([, number]) => Number(number));
      assert.deepEqual(lines, Array.from({ length: 400 }, (_, at) => at + 1));
    },
  },
  {
    title: "panes split, text is found, and the font grows",
    async play(scene) {
      const { window, nodes, terminal } = await scene.open();
      await nodes.connect("prod-storefront-01");
      await terminal.prompt();
      await terminal.type("echo needle-$((6*7))\n");
      await terminal.reads(/^needle-42$/m);
      await window.press("Ctrl+Shift+f");
      await window.find("textbox", "Find");
      await window.type("needle-42");
      await window.see(/1 of 1|1 found/);
      await window.press("Escape");
      await window.press("Ctrl+Shift+d");
      await terminal.reads(/[$#%>] ?\n?$/, { pane: 1 });
      const rows = () => window.run(() => window.look.screen(0).size.rows);
      const before = await rows();
      await window.press("Ctrl+=", "Ctrl+=", "Ctrl+=");
      await window.until("larger letters", (were) => window.look.screen(0).size.rows < were, { given: [before] });
      await window.press("Ctrl+0");
      await window.until("usual letters", (were) => window.look.screen(0).size.rows === were, { given: [before] });
    },
  },
];
