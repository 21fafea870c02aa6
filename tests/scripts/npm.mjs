// The npm packages of tests/peers/package.json, installed outside the clone.

import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, root } from "./paths.mjs";
import { run } from "./run.mjs";
import { Stamp } from "./stamp.mjs";

const home = join(cache, "peers-npm");

/** Where `import` finds them. */
export const npmModules = join(home, "node_modules");

/** Installs them exactly as locked, or finds them installed. Answers what it did. */
export async function ensureNpm() {
  const files = ["package.json", "package-lock.json"];
  const from = (name) => join(root, "tests", "peers", name);
  const stamp = new Stamp(home, files.map((name) => readFileSync(from(name), "utf8")));
  if (stamp.holds) return "as it was";
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  for (const name of files) cpSync(from(name), join(home, name));
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  await run(npm, ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: home });
  stamp.set();
  return "installed";
}
