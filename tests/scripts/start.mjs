// npm start: sets the machine up, builds, and opens the window. Flags go to the window
// (`npm start -- --sandbox`); a command goes to `adit` (`npm start -- nodes --sandbox`).

import { spawnSync } from "node:child_process";
import { released, telling } from "./release.mjs";

const given = process.argv.slice(2);
const isCommand = given.length > 0 && !given[0].startsWith("-");

await telling(async () => {
  const { adit, desktop } = await released();
  const program = isCommand ? adit : desktop;
  process.exitCode = spawnSync(program, given, { stdio: "inherit" }).status ?? 1;
});
