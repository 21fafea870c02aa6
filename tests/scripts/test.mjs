// npm test: sets the machine up, then checks everything.
// `--without peers,doc` leaves steps out.

import { cargoBuild, enterTarget, hasNextest } from "./cargo.mjs";
import { ensureNpm } from "./npm.mjs";
import { peers } from "./peers.mjs";
import { ensurePython } from "./python.mjs";
import { Report } from "./report.mjs";
import * as rust from "./rust.mjs";
import { ensureSystem } from "./system.mjs";
import * as ui from "./ui.mjs";
import { checkNode, checkRust } from "./versions.mjs";
import { windowStories } from "./window.mjs";

const at = process.argv.indexOf("--without");
const without = at > 0 ? (process.argv[at + 1] ?? "").split(",") : [];
const report = new Report();
let programs;

/** A step that makes the machine ready: timed like the others, counted as no check. */
const setUp = (name, work) =>
  report.step(name, async () => ({ passed: 0, note: (await work()) || "" }));

/** A step that checks something; `part` is its name for `--without`. */
const check = (part, name, work) => (without.includes(part) ? null : report.step(name, work));

await setUp("Node and Rust", async () => (checkNode(), await checkRust()));
await setUp("system packages", () => ensureSystem());
await setUp("target folder", enterTarget);
await setUp("packages of the page", ui.ensureUi);
await setUp("page", ui.buildUi);
await check("format", "format", rust.format);
await report.step("build and lint", async () => void (programs = await cargoBuild()));
await check("ui", "page: types", ui.types);
await check("ui", "page: lint and format", ui.lint);
await check("ui", "page: tests", ui.tests);
await check("tests", hasNextest() ? "tests (nextest)" : "tests", rust.tests);
await check("tests", "documentation examples", rust.docTests);
await check("doc", "documentation", rust.documentation);
if (!without.includes("peers")) {
  await setUp("Python packages", ensurePython);
  await setUp("npm packages", () => ensureNpm("peers"));
  await report.step("programs not ours", () => peers(programs.adit));
}
if (!without.includes("window")) {
  await setUp("npm packages of the window", () => ensureNpm("ui"));
  await report.step("window", () => windowStories(programs));
}
process.exitCode = report.close();
