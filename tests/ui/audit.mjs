// What axe-core finds wrong with the page for people who use it by other means than sight and mouse.

import { readFileSync } from "node:fs";
import { fileOf } from "./modules.mjs";

const axe = readFileSync(fileOf("axe-core/axe.min.js"), "utf8");

/** Waits until nothing moves but what moves for ever. */
export const calm = (window) =>
  window.runAsync(async () => {
    const ending = () =>
      document.getAnimations().filter((each) => Number.isFinite(each.effect?.getComputedTiming().endTime));
    while (ending().length > 0) await Promise.allSettled(ending().map((each) => each.finished));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  });

/** Every violation on the page as it is now, one line each. */
export async function audit(window) {
  await calm(window);
  if (await window.run(() => window.axe === undefined)) await window.driver.executeScript(axe);
  const violations = await window.runAsync(async () => {
    const found = await window.axe.run(document, { resultTypes: ["violations"] });
    return found.violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, any, all, none }) => {
        const [check] = [...any, ...all, ...none];
        return `${id}: ${help}: ${target.join(" ")}: ${check?.message ?? ""}`;
      }),
    );
  });
  return violations;
}
