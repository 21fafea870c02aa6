// The peer client that uploads are measured beside, built from crates.io.

import { join } from "node:path";
import { cache, root } from "./paths.mjs";
import { run } from "./run.mjs";
import { ensureSystem } from "./system.mjs";

/**
 * Builds aws-ssm-bridge and answers where it is. It has a folder of its own: it wants other features
 * of the AWS SDKs than the product, and other cryptography.
 */
export async function bridge() {
  ensureSystem(["build", "bridge"]);
  console.error("building aws-ssm-bridge (minutes, the first time)");
  const target = join(cache, "target-bridge");
  const env = { CARGO_TARGET_DIR: target };
  const cwd = join(root, "tests", "peers", "bridge");
  await run("cargo", ["build", "--release", "--locked"], { show: "errors", minutes: 60, env, cwd });
  return join(target, "release", process.platform === "win32" ? "bridge.exe" : "bridge");
}
