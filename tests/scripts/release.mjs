// The programs as they are released, on a machine that may not be set up yet.

import { cargoRelease, enterTarget } from "./cargo.mjs";
import { Failure } from "./run.mjs";
import { ensureSystem } from "./system.mjs";
import { buildUi, ensureUi } from "./ui.mjs";
import { checkNode, checkRust } from "./versions.mjs";

/**
 * Sets the machine up as far as building and `purposes` need, builds, and answers where the
 * programs are. Says what it does on standard error only.
 */
export async function released(purposes = ["build"]) {
  checkNode();
  await checkRust();
  ensureSystem(purposes);
  await enterTarget();
  await ensureUi();
  await buildUi();
  console.error("building in release mode (minutes, the first time)");
  return cargoRelease();
}

/** Runs a whole script; what failed is told without a trace, and makes the exit code. */
export async function telling(script) {
  try {
    await script();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.unseen) console.error(error.unseen.trimEnd());
    console.error(error.message);
    process.exitCode = 1;
  }
}
