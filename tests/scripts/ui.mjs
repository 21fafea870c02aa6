// The page in the window: its packages, its checks and its build.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureModules } from "./npm.mjs";
import { root } from "./paths.mjs";
import { counted, plain, run } from "./run.mjs";
import { Stamp } from "./stamp.mjs";

const home = join(root, "ui");

/** Installs what the page is made with, or finds it installed. Answers what it did. */
export const ensureUi = () => ensureModules("ui");

/** Runs a program among those packages. */
export function tool(name, args, options = {}) {
  const { bin } = JSON.parse(readFileSync(join(home, "node_modules", name, "package.json"), "utf8"));
  const script = typeof bin === "string" ? bin : bin[name.split("/").pop()] ?? Object.values(bin)[0];
  const path = join(home, "node_modules", name, script);
  return run(process.execPath, [path, ...args], { cwd: home, ...options });
}

/** Makes `ui/dist`, which the shell takes in as it is compiled, or finds it made. */
export async function buildUi() {
  const stamp = new Stamp(join(home, "node_modules"), inputs(), "build");
  if (stamp.holds && isBuilt()) return "as it was";
  await tool("vite", ["build", "--logLevel", "warn"]);
  stamp.set();
  return "built";
}

/** Types of TypeScript and of components. */
export const types = async () =>
  void (await tool("svelte-check", ["--tsconfig", "./tsconfig.json", "--fail-on-warnings"]));

/** The rules of the page's rooms, and its format. */
export async function lint() {
  await tool("eslint", ["."]);
  await tool("prettier", ["--check", "."]);
}

/** Unit tests of stores, widgets and words, and the accessibility audit of what they draw. */
export const tests = () => counted(tool("vitest", ["run"]), count);

/** Reads vitest's line `Tests  1 failed | 109 passed (110)`. */
function count(said) {
  const line = plain(said).match(/^\s*Tests\s+(.*)$/m)?.[1] ?? "";
  const number = (word) => Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  return { passed: number("passed"), failed: number("failed") };
}

function isBuilt() {
  try {
    return readdirSync(join(home, "dist")).includes("index.html");
  } catch {
    return false;
  }
}

/** Everything the build depends on, by path and text. */
function inputs() {
  const tops = readdirSync(home, { withFileTypes: true }).filter((each) => each.isFile());
  const files = tops.map((each) => each.name).sort();
  const sources = readdirSync(join(home, "src"), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && !each.name.endsWith(".test.ts"))
    .map((each) => join(each.parentPath ?? each.path, each.name))
    .sort();
  return [...files.map((name) => join(home, name)), ...sources].map((path) => [
    path.slice(home.length),
    readFileSync(path, "base64"),
  ]);
}
