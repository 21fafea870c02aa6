// npm start: sets the machine up, builds, and runs `adit` with the arguments given; without any, it
// opens a shell on a node of the sandbox.

import { spawnSync } from "node:child_process";
import { released, telling } from "./release.mjs";

const given = process.argv.slice(2);
const args = given.length > 0 ? given : ["shell", "prod-storefront-01", "--sandbox"];

await telling(async () => {
  const { adit } = await released();
  process.exitCode = spawnSync(adit, args, { stdio: "inherit" }).status ?? 1;
});
