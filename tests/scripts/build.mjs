// npm run build: the programs as they are released.

import { cargoRelease, claimTarget } from "./cargo.mjs";
import { built } from "./paths.mjs";
import { Failure } from "./run.mjs";
import { ensureSystem } from "./system.mjs";
import { checkNode, checkRust } from "./versions.mjs";

try {
  checkNode();
  await checkRust();
  ensureSystem(["build"]);
  await claimTarget();
  await cargoRelease({ show: "errors", minutes: 90 });
  console.log(built("release", "adit"));
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
