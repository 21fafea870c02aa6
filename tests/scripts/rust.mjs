// The checks of the Rust half.

import { cargo, hasNextest } from "./cargo.mjs";
import { counted, plain } from "./run.mjs";

const workspace = ["--workspace", "--all-targets", "--locked"];

export const format = async () => void (await cargo(["fmt", "--all", "--check"]));

/** The documentation builds and its links lead somewhere. */
export const documentation = async () =>
  void (await cargo(["doc", "--workspace", "--no-deps", "--locked"], {
    minutes: 30,
    env: { RUSTDOCFLAGS: "-D warnings" },
  }));

/** Unit tests, stories and architecture rules. */
export async function tests() {
  if (hasNextest()) {
    const quiet = ["--cargo-quiet", "--status-level", "fail", "--final-status-level", "slow"];
    return checks(["nextest", "run", ...workspace, "--no-fail-fast", ...quiet]);
  }
  return checks(["test", ...workspace, "--no-fail-fast", "--", "--quiet"]);
}

/** The examples in the documentation. */
export const docTests = () =>
  checks(["test", "--workspace", "--doc", "--locked", "--no-fail-fast", "--", "--quiet"]);

const checks = (args) => counted(cargo(args, { show: "all", minutes: 20 }), count);

/** Adds up the summary lines of nextest and of libtest. */
function count(said) {
  const lines = plain(said).match(/^(test result:|\s*Summary \[).*$/gm) ?? [];
  const add = (words) => {
    const found = [...lines.join("\n").matchAll(new RegExp(`(\\d+) (?:${words})`, "g"))];
    return found.reduce((sum, each) => sum + Number(each[1]), 0);
  };
  return { passed: add("passed"), failed: add("failed|timed out") };
}
