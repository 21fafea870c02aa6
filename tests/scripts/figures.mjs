// npm run figures -- TOPIC: measures the product in release mode.
// Standard output holds nothing but lines `NAME VALUE UNIT`.

import { statSync } from "node:fs";
import { bridge } from "./bridge.mjs";
import { ensureNpm } from "./npm.mjs";
import { packaged } from "./package.mjs";
import { peers } from "./peers.mjs";
import { ensurePython } from "./python.mjs";
import { released, telling } from "./release.mjs";
import { Failure, run } from "./run.mjs";
import { windowFigures } from "./window.mjs";

const figure = /^\S+ -?\d+(\.\d+)? \S+$/;

/** What each topic runs, in order, given the programs. Each answers lines. */
const topics = {
  ground: [
    ({ figures }) => program(figures, ["ground"]),
    ({ recordings }) => program(recordings),
    ({ adit }) => peerChecks(adit),
  ],
  engine: [
    async ({ figures }) => program(figures, ["engine"], { ADIT_BRIDGE: await bridge() }),
    ({ simulation }) => program(simulation),
  ],
  window: [async (programs) => lines(await windowFigures(programs)), packageSize],
};

const lines = (said) => said.split("\n").filter((line) => figure.test(line));

async function program(path, args = [], env = {}) {
  return lines(await run(path, args, { show: "errors", minutes: 30, env }));
}

async function packageSize() {
  const deb = (await packaged()).find((path) => path.endsWith(".deb"));
  return deb === undefined ? [] : [`package_deb_mb ${(statSync(deb).size / 1e6).toFixed(1)} MB`];
}

async function peerChecks(adit) {
  await ensurePython();
  await ensureNpm("peers");
  const { passed, failed } = await peers(adit, process.stderr).catch((error) => {
    if (!error.counts) throw error;
    process.stderr.write(error.unseen);
    return error.counts;
  });
  return [`peer_checks_passed ${passed} checks`, `peer_checks_failed ${failed} checks`];
}

await telling(async () => {
  const topic = process.argv[2];
  if (!Object.hasOwn(topics, topic ?? "")) {
    throw new Failure(`npm run figures -- TOPIC, one of: ${Object.keys(topics).join(", ")}`);
  }
  const programs = await released(["build", "test"]);
  for (const part of topics[topic]) {
    for (const line of await part(programs)) console.log(line);
  }
});
