// Runs the programs we did not write, of tests/peers, against the sandbox and with our drop-in.

import { join } from "node:path";
import { npmModules } from "./npm.mjs";
import { root } from "./paths.mjs";
import { pythonProgram } from "./python.mjs";
import { Failure, run } from "./run.mjs";
import { withSandbox } from "./sandbox.mjs";

const file = (name) => join(root, "tests", "peers", name);

/** Each prints `ok - NAME` or `not ok - NAME: why` for every check it makes. */
const programs = [
  ["boto3", pythonProgram("python"), [file("boto3_api.py")]],
  ["pyssm-client", pythonProgram("python"), [file("pyssm.py")]],
  ["ssm-session", process.execPath, [file("ssm_session.mjs")]],
  ["aws with our drop-in", pythonProgram("python"), [file("dropin.py")]],
  ["our programs on pipes", pythonProgram("python"), [file("pipes.py")]],
  ["ssh, scp and sftp", pythonProgram("python"), [file("ssh.py")]],
];

/** Runs all of them with this `adit`; answers how many checks passed, or fails with how many did not. */
export async function peers(adit, out = process.stdout) {
  if (process.platform === "win32") return { passed: 0, note: "need a Unix terminal: left out" };
  const counts = { passed: 0, failed: 0 };
  let unseen = "";
  await withSandbox(adit, async (environment) => {
    const env = { ...environment, ADIT_BINARY: adit, ADIT_PEERS_MODULES: npmModules("peers") };
    for (const [name, command, args] of programs) {
      out.write(`   ${name}\n`);
      const said = await run(command, args, { env, minutes: 8, inherit: false }).catch((error) => {
        if (!(error instanceof Failure)) throw error;
        unseen += `\n${name}:\n${error.said.trimEnd()}\n${error.message}\n`;
        return error;
      });
      count(said, counts, out);
    }
    if (counts.failed > 0) throw new Failure(`${counts.failed} failed`, { unseen, counts });
  });
  return counts;
}

/** Adds the checks in what a program said; one that broke off counts as failed itself. */
function count(said, counts, out) {
  const text = said instanceof Failure ? said.said : said;
  const lines = text.match(/^(not )?ok - .*$/gm) ?? [];
  for (const line of lines) out.write(`     ${line}\n`);
  const failed = lines.filter((line) => line.startsWith("not")).length;
  counts.passed += lines.length - failed;
  const brokeOff = (said instanceof Failure && failed === 0) || lines.length === 0;
  counts.failed += failed + (brokeOff ? 1 : 0);
}
