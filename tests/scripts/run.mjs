// Runs another program: shown as it goes or kept, always within a deadline.

import { spawn, spawnSync } from "node:child_process";
import { root } from "./paths.mjs";

/**
 * What a check failed with: all a program said, and of that what the user has not seen yet.
 * `counts` is there when it stands for several checks.
 */
export class Failure extends Error {
  constructor(message, { said = "", unseen = "", counts } = {}) {
    super(message);
    Object.assign(this, { said, unseen, counts });
  }
}

/** The standard output of `command`, or null when it cannot be run or fails. */
export function ask(command, args = [], options = {}) {
  const done = spawnSync(command, args, { encoding: "utf8", cwd: root, ...options });
  return done.status === 0 ? done.stdout.trim() : null;
}

/**
 * Runs `command` to its end and answers all it said, standard error included.
 *
 * `show` says where its words go meanwhile: "all", "errors" (standard error only) or "none".
 * `env` is added to this process's environment, or with `inherit: false` is all of it.
 * A program that is still running after `minutes` is ended together with its children.
 */
export function run(command, args = [], options = {}) {
  const { show = "none", minutes = 10, env = {}, cwd = root, inherit = true } = options;
  return new Promise((resolve, reject) => {
    const grouped = process.platform !== "win32";
    const child = spawn(command, args, {
      cwd,
      env: inherit ? { ...process.env, ...env } : env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: grouped,
    });
    const end = () => {
      try {
        grouped ? process.kill(-child.pid, "SIGKILL") : child.kill("SIGKILL");
      } catch {
        // It ended by itself in the meantime.
      }
    };
    const interrupted = (signal) => {
      end();
      process.exit(signal === "SIGINT" ? 130 : 143);
    };
    let said = "";
    let late = false;
    const deadline = setTimeout(() => {
      late = true;
      end();
    }, minutes * 60_000);
    process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
    const settle = (answer) => {
      clearTimeout(deadline);
      process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
      answer();
    };
    child.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
      if (show === "all") process.stdout.write(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      if (show !== "none") process.stderr.write(text);
    });
    const words = [command, ...args].join(" ");
    child.on("error", (error) => settle(() => reject(new Failure(`${command}: ${error.message}`))));
    child.on("close", (code, signal) =>
      settle(() => {
        const heard = { said, unseen: show === "none" ? said : "" };
        if (late) reject(new Failure(`not done after ${minutes} min: ${words}`, heard));
        else if (code !== 0) reject(new Failure(`${words}: ended with ${code ?? signal}`, heard));
        else resolve(said);
      }),
    );
  });
}

/**
 * Waits for a program that runs many checks, and answers what `count` reads of how they went, as
 * `{ passed, failed }`. A failure carries the same; without a failed check in it, it is one.
 */
export async function counted(running, count) {
  try {
    return count(await running);
  } catch (error) {
    if (error instanceof Failure) {
      const { passed, failed } = count(error.said);
      error.counts = { passed, failed: Math.max(1, failed) };
    }
    throw error;
  }
}

/** The same text without terminal colours. */
export const plain = (text) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "");
