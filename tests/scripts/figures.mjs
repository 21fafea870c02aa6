// npm run figures -- TOPIC: measures the product in release mode.
// Standard output holds nothing but lines `NAME VALUE UNIT`.

import { cargoRelease, claimTarget } from "./cargo.mjs";
import { ensureNpm } from "./npm.mjs";
import { built } from "./paths.mjs";
import { peers } from "./peers.mjs";
import { ensurePython } from "./python.mjs";
import { Failure, run } from "./run.mjs";
import { ensureSystem } from "./system.mjs";
import { checkNode, checkRust } from "./versions.mjs";

const say = (words) => process.stderr.write(`figures: ${words}\n`);
const line = /^\S+ -?\d+(\.\d+)? \S+$/;

/** What each topic runs, in order. Each answers lines. */
const topics = {
  ground: [
    () => program(built("release", "figures"), ["ground"]),
    () => program(built("release", "examples/recordings")),
    peerChecks,
  ],
};

async function program(path, args = []) {
  say(`${path} ${args.join(" ")}`);
  const said = await run(path, args, { show: "errors", minutes: 30 });
  return said.split("\n").filter((each) => line.test(each));
}

async function peerChecks() {
  await ensurePython();
  await ensureNpm();
  const options = { adit: built("release", "adit"), out: process.stderr };
  const { passed, failed } = await peers(options).catch((error) => {
    if (!error.counts) throw error;
    process.stderr.write(error.unseen);
    return error.counts;
  });
  return [`peer_checks_passed ${passed} checks`, `peer_checks_failed ${failed} checks`];
}

const topic = process.argv[2];
try {
  if (!(topic in topics)) {
    throw new Failure(`npm run figures -- TOPIC, one of: ${Object.keys(topics).join(", ")}`);
  }
  checkNode();
  await checkRust();
  ensureSystem();
  await claimTarget();
  say("building in release mode (minutes, the first time)");
  await cargoRelease({ show: "errors", minutes: 90 });
  for (const part of topics[topic]) for (const each of await part()) console.log(each);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  process.stderr.write(`${error.unseen}\n`);
  say(error.message);
  process.exitCode = 1;
}
