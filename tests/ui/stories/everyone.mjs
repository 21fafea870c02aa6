import assert from "node:assert/strict";
import { audit } from "../audit.mjs";
import { setTheme, walk } from "../views.mjs";

/** In the page: nothing moves from now on, so that a look is a whole look. */
function still() {
  const style = document.createElement("style");
  style.textContent = "*, *::before, *::after { transition: none !important; animation: none !important }";
  document.head.append(style);
}

/** In the page: what has the focus, and whether anything would look different without. */
function focused() {
  const at = document.activeElement;
  const around = [at, at.parentElement, at.parentElement?.parentElement, at.querySelector(".cursor")].filter(Boolean);
  const look = () =>
    around
      .flatMap((each) => ["", "::before", "::after"].map((part) => getComputedStyle(each, part || null)))
      .map((style) => [style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.opacity].join())
      .join("\n");
  const withIt = look();
  at.blur();
  const without = look();
  at.focus({ focusVisible: true, preventScroll: true });
  const wasHere = at.wasHere === true;
  at.wasHere = true;
  return {
    wasHere,
    label: at.getAttribute("aria-label") ?? at.innerText,
    role: at.getAttribute("role") ?? at.tagName,
    isSeen: withIt !== without,
  };
}

/** Every view is fit for everyone's means of use. */
const audited = (theme) => ({
  title: `no view has an accessibility violation (${theme})`,
  minutes: 5,
  isAudit: true,
  async play(scene) {
    const stage = await scene.open();
    await setTheme(stage, theme);
    const found = [];
    await walk(stage, async (name) => {
      for (const line of await audit(stage.window)) found.push(`${name}: ${line}`);
    });
    assert.deepEqual(found, []);
  },
});

export default [
  audited("light"),
  audited("dark"),
  {
    title: "everything is reached with the keyboard alone",
    async play(scene) {
      const { window, nodes, terminal, tunnels } = await scene.open();
      await nodes.counted("nodes", ({ total }) => total >= 50);
      await window.run(still);
      // Once around by Tab: every stop can be seen and named, and the way ends where it began.
      const stops = [];
      for (let at = 0; at < 120; at += 1) {
        await window.press("Tab");
        const { label, role, isSeen, wasHere } = await window.run(focused);
        if (wasHere) break;
        if (role === "BODY") continue;
        const key = `${role} ${label}`;
        assert.ok(label.trim(), `a ${role} without a name has the focus`);
        assert.ok(isSeen, `the focus on ${key} is not seen`);
        stops.push(key);
      }
      const said = stops.join("\n");
      for (const stop of [/Go to anything/, /Filter nodes/, /grid Nodes/, /Add account/, /Connect/]) assert.match(said, stop);
      // From the filter into the list, to a shell, and on to a tunnel.
      await window.press("Ctrl+l");
      await window.type("prod-storefront-01");
      await nodes.counted("one node", ({ shown }) => shown === 1);
      await window.press("Down", "Enter");
      await terminal.prompt();
      await terminal.type("echo by-$((40+2))-keys\n");
      await terminal.reads(/^by-42-keys$/m);
      await window.press("Ctrl+Shift+l");
      await window.find("textbox", "Filter tunnels");
      await window.press("Ctrl+k");
      await window.type("Add tunnel");
      await window.press("Enter");
      await window.find("dialog", "Add tunnel");
      await window.press("Escape");
      await window.gone("dialog", "Add tunnel");
      await window.press("Ctrl+1");
      await window.find("grid", "Nodes");
      await tunnels.show();
    },
  },
];
