// The one way cargo is called here: one feature set, one target folder, lints in the same pass.
//
// Traps this file keeps shut:
// * Every dev build names `--workspace --all-targets`. Any other selection changes the features of
//   shared dependencies and compiles the AWS SDKs a second time.
// * `cargo clippy` would check all dependencies again beside the build. clippy-driver as workspace
//   wrapper lints our crates while they are compiled, and leaves the dependencies alone.
// * In a target folder shared by two clones cargo takes the other clone's crates for this one's:
//   it compares only times, by paths relative to the workspace.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, target } from "./paths.mjs";
import { ask, Failure, run } from "./run.mjs";

const environment = () => ({
  CARGO_TARGET_DIR: target,
  CARGO_TERM_COLOR: process.stdout.isTTY ? "always" : "never",
});

const linting = {
  RUSTC_WORKSPACE_WRAPPER: "clippy-driver",
  CLIPPY_ARGS: "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
};

/** cargo with every crate linted as it is compiled; the form all dev builds and tests take. */
export function cargo(args, options = {}) {
  return run("cargo", args, { ...options, env: { ...environment(), ...linting, ...options.env } });
}

/** cargo for release builds: programs and examples, no tests, no lints. */
export function cargoRelease(options = {}) {
  const args = ["build", "--release", "--workspace", "--bins", "--examples", "--locked"];
  return run("cargo", args, { ...options, env: { ...environment(), ...options.env } });
}

/** Whether cargo has `nextest`: each test in a process of its own, with a time limit. */
export const hasNextest = () => ask("cargo", ["nextest", "--version"]) !== null;

/** The names of our own crates. */
function members() {
  const text = ask("cargo", ["metadata", "--no-deps", "--format-version", "1"]);
  if (text === null) throw new Failure("cargo metadata failed: is Cargo.toml whole?");
  return JSON.parse(text).packages.map((each) => each.name);
}

/** Forgets what another clone built of our own crates in the shared target folder. */
export async function claimTarget() {
  const stamp = join(target, "built-from");
  const owner = existsSync(stamp) ? readFileSync(stamp, "utf8").trim() : null;
  if (owner === root) return "";
  if (existsSync(target)) {
    const names = members().flatMap((name) => ["-p", name]);
    for (const profile of ["dev", "release"]) {
      await run("cargo", ["clean", "--profile", profile, ...names], { env: environment() });
    }
  }
  mkdirSync(target, { recursive: true });
  writeFileSync(stamp, `${root}\n`);
  return owner === null ? "" : `last used by ${owner}`;
}
