// npm packages, installed exactly as locked and only when the lock has changed.

import { cpSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, root } from "./paths.mjs";
import { run } from "./run.mjs";
import { Stamp } from "./stamp.mjs";

const files = ["package.json", "package-lock.json"];
const homeOf = (name) => join(cache, `${name}-npm`);

/** Where `import` finds the packages of tests/`name`/package.json. */
export const npmModules = (name) => join(homeOf(name), "node_modules");

/** Installs those outside the clone, or finds them installed. Answers what it did. */
export async function ensureNpm(name) {
  const [from, home] = [join(root, "tests", name), homeOf(name)];
  const stamp = new Stamp(home, files.map((file) => readFileSync(join(from, file), "utf8")));
  if (stamp.holds) return "as it was";
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  for (const file of files) cpSync(join(from, file), join(home, file));
  await install(home);
  stamp.set();
  return "installed";
}

/** Installs the packages of the folder `name` of the clone beside its lock. Answers what it did. */
export async function ensureModules(name) {
  const folder = join(root, name);
  const modules = join(folder, "node_modules");
  const inputs = files.map((file) => readFileSync(join(folder, file), "utf8"));
  const stamp = new Stamp(modules, [process.platform, process.arch, ...inputs]);
  if (stamp.holds) return "as it was";
  await install(folder);
  stamp.set();
  return "installed";
}

function install(cwd) {
  const args = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  // Windows starts npm, a script, through its shell only.
  const [command, ...rest] = process.platform === "win32" ? ["cmd.exe", "/d", "/c", ...args] : args;
  return run(command, rest, { cwd });
}
