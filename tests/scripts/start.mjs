// npm start: sets the machine up, builds, and runs `adit` with the arguments given; without any, it
// opens a shell on a node of the sandbox.

import { spawnSync } from "node:child_process";
import { cargoRelease, claimTarget } from "./cargo.mjs";
import { built } from "./paths.mjs";
import { Failure } from "./run.mjs";
import { ensureSystem } from "./system.mjs";
import { checkNode, checkRust } from "./versions.mjs";

const given = process.argv.slice(2);
const args = given.length > 0 ? given : ["shell", "prod-storefront-01", "--sandbox"];
try {
  checkNode();
  await checkRust();
  ensureSystem(["build"]);
  await claimTarget();
  await cargoRelease({ show: "errors", minutes: 90 });
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.unseen || "", error.message);
  process.exit(1);
}
const done = spawnSync(built("release", "adit"), args, { stdio: "inherit" });
process.exitCode = done.status ?? 1;
