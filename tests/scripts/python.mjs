// A Python of our own, outside the clone, with the packages of tests/peers/requirements.txt.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, root } from "./paths.mjs";
import { ask, Failure, run } from "./run.mjs";
import { Stamp } from "./stamp.mjs";
import { atLeast } from "./versions.mjs";

const oldest = "3.11";
const home = join(cache, "peers-venv");
const programs = join(home, process.platform === "win32" ? "Scripts" : "bin");

/** A program of that Python: `python`, `aws`, `pyssm`. */
export const pythonProgram = (name) => join(programs, name);

/** Makes it, or finds it made. Answers what it did. */
export async function ensurePython() {
  const system = findPython();
  const requirements = join(root, "tests", "peers", "requirements.txt");
  const stamp = new Stamp(home, [ask(system, ["-VV"]), system, readFileSync(requirements, "utf8")]);
  if (stamp.holds && ask(pythonProgram("python"), ["--version"]) !== null) return "as it was";
  rmSync(home, { recursive: true, force: true });
  await run(system, ["-m", "venv", home]);
  // pyssm-client says it wants Python 3.12, but all of it runs on 3.11, which Debian 12 has.
  const options = ["--disable-pip-version-check", "--quiet", "--ignore-requires-python", "--no-deps"];
  await run(pythonProgram("python"), ["-m", "pip", "install", ...options, "-r", requirements], {
    show: "errors",
    minutes: 15,
  });
  stamp.set();
  return "installed";
}

/** The first Python on the PATH that is new enough and can make environments. */
function findPython() {
  for (const name of ["python3", "/usr/bin/python3", "python"]) {
    const version = ask(name, ["-c", "import ensurepip, sys, venv; print(sys.version.split()[0])"]);
    if (version !== null && atLeast(version, oldest)) return name;
  }
  throw new Failure(`Python ${oldest} or newer with venv and ensurepip is needed for the peers.`);
}
