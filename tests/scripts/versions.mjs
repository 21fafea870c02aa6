// Are Rust and Node new enough, and do they come with what the check needs?

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { ask, Failure, run } from "./run.mjs";

const read = (name) => readFileSync(join(root, name), "utf8");
const numbers = (text) => (text.match(/\d+(\.\d+)*/)?.[0] ?? "0").split(".").map(Number);

/** Whether version `have` is at least `want`. */
export function atLeast(have, want) {
  const [a, b] = [numbers(have), numbers(want)];
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0);
  }
  return true;
}

export function checkNode() {
  const want = JSON.parse(read("package.json")).engines.node;
  if (!atLeast(process.versions.node, want)) {
    throw new Failure(`Node ${want} is needed, this is ${process.versions.node} (https://nodejs.org).`);
  }
}

/** Rust itself, then rustfmt and clippy, which minimal installations leave out. */
export async function checkRust() {
  const want = read("Cargo.toml").match(/^rust-version = "(.+)"/m)[1];
  const have = ask("rustc", ["--version"]);
  if (have === null) throw new Failure(`Rust ${want} or newer is needed: see https://rustup.rs.`);
  if (!atLeast(have, want)) {
    throw new Failure(`Rust ${want} or newer is needed, this is ${have}: run rustup update.`);
  }
  const missing = [];
  if (ask("rustfmt", ["--version"]) === null) missing.push("rustfmt");
  if (ask("clippy-driver", ["--version"]) === null) missing.push("clippy");
  if (missing.length === 0) return have;
  if (ask("rustup", ["--version"]) === null) {
    throw new Failure(`Install what belongs to Rust and is missing: ${missing.join(", ")}.`);
  }
  console.error(`adding to Rust: ${missing.join(", ")}`);
  await run("rustup", ["component", "add", ...missing], { show: "errors" });
  return have;
}
