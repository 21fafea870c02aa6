// The one way cargo is called here: one feature set, one target folder, lints in the same pass.
//
// Traps this file keeps shut:
// * Every dev build names `--workspace --all-targets`, and the release build its own fixed set. Any
//   other selection changes the features of shared dependencies and compiles the AWS SDKs again.
// * `cargo clippy` would check all dependencies once more beside the build. As workspace wrapper,
//   clippy lints our crates while they are compiled, and leaves the dependencies alone.

import { mkdirSync } from "node:fs";
import { enterClone, keep, lintingWrapper, plainWrapper } from "./clone.mjs";
import { target } from "./paths.mjs";
import { ask, Failure, run } from "./run.mjs";

const environment = () => ({
  CARGO_TARGET_DIR: target,
  CARGO_TERM_COLOR: process.stdout.isTTY ? "always" : "never",
});

const linting = {
  RUSTC_WORKSPACE_WRAPPER: lintingWrapper,
  CLIPPY_ARGS: "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
};

/** cargo with every crate linted as it is compiled; the form all dev builds and tests take. */
export function cargo(args, options = {}) {
  return run("cargo", args, { ...options, env: { ...environment(), ...linting, ...options.env } });
}

/** Compiles everything for development and answers where the programs are. */
export async function cargoBuild() {
  const args = ["build", "--workspace", "--all-targets", "--locked"];
  await cargo(args, { show: "errors", minutes: 70 });
  return { adit: keep("debug/adit"), desktop: keep("debug/adit-desktop") };
}

/** Compiles the programs as they are released and answers where they are. */
export async function cargoRelease() {
  const args = ["build", "--release", "--workspace", "--bins", "--examples", "--locked"];
  const env = { ...environment(), RUSTC_WORKSPACE_WRAPPER: plainWrapper };
  await run("cargo", args, { show: "errors", minutes: 90, env });
  return {
    adit: keep("release/adit"),
    desktop: keep("release/adit-desktop"),
    figures: keep("release/figures"),
    recordings: keep("release/examples/recordings"),
    simulation: keep("release/examples/simulation"),
  };
}

/** Whether cargo has `nextest`: each test in a process of its own, with a time limit. */
export const hasNextest = () => ask("cargo", ["nextest", "--version"]) !== null;

/** Makes the target folder ready, without what clones that are gone have left there. */
export async function enterTarget() {
  mkdirSync(target, { recursive: true });
  const gone = enterClone();
  if (gone.length === 0) return target;
  // Nobody can tell any more which of our crates were theirs.
  const names = members().flatMap((name) => ["-p", name]);
  for (const profile of ["dev", "release"]) {
    await run("cargo", ["clean", "--profile", profile, ...names], { env: environment() });
  }
  return `${target}, without ${gone.join(", ")}`;
}

/** The names of our own crates. */
function members() {
  const text = ask("cargo", ["metadata", "--no-deps", "--format-version", "1"]);
  if (text === null) throw new Failure("cargo metadata failed: is Cargo.toml whole?");
  return JSON.parse(text).packages.map((each) => each.name);
}
