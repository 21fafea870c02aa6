// Serves the sandbox for as long as other programs are checked against it.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure } from "./run.mjs";

/**
 * Starts `adit sandbox` and calls `use` with the environment that leads to it; stops it afterwards.
 * What the sandbox said goes into the failure, should there be one.
 */
export async function withSandbox(adit, use) {
  const folder = mkdtempSync(join(tmpdir(), "adit-peers-"));
  const child = spawn(adit, ["sandbox", "--profiles", folder], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...withoutAws(process.env), RUST_LOG: process.env.RUST_LOG ?? "info" },
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (words += text));
  const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  try {
    const environment = await exported(child, ended);
    const { key, secret } = credentials(environment);
    return await use({
      ...withoutAws(process.env),
      ...environment,
      // boto3 knows AWS_DEFAULT_REGION only.
      AWS_DEFAULT_REGION: "eu-central-1",
      // What is written down of live sessions stays out of the user's own folder.
      XDG_STATE_HOME: join(folder, "state"),
      ADIT_SANDBOX_KEY: key,
      ADIT_SANDBOX_SECRET: secret,
    });
  } catch (error) {
    if (error instanceof Failure) error.unseen += `\nthe sandbox said:\n${words}`;
    throw error;
  } finally {
    child.kill("SIGINT");
    const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(patience);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the lines `export NAME='value'` until the address is there. */
function exported(child, ended) {
  return new Promise((resolve, reject) => {
    const found = {};
    let said = "";
    const late = setTimeout(() => reject(new Failure("the sandbox did not start")), 20_000);
    const settle = (answer) => (clearTimeout(late), answer());
    ended.then(() => settle(() => reject(new Failure("the sandbox ended at once"))));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      for (const [, name, value] of said.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)) {
        found[name] = value;
      }
      if (found.AWS_ENDPOINT_URL && said.endsWith("\n")) settle(() => resolve(found));
    });
  });
}

/** The key of the default account, for clients that read no profiles. */
function credentials({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: profile }) {
  const section = readFileSync(file, "utf8").split(/^\[/m).find((each) => each.startsWith(`${profile}]`));
  const value = (name) => section.match(new RegExp(`^${name} = (.*)$`, "m"))[1];
  return { key: value("aws_access_key_id"), secret: value("aws_secret_access_key") };
}

/** An environment in which nothing of the user's own AWS set-up is left. */
function withoutAws(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("AWS_")));
}
