// Where things are: the clone, and what is kept outside it so that a fresh clone finds it again.

import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of this clone. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Everything this project keeps between runs and between clones. */
export const cache = join(
  process.env.XDG_CACHE_HOME ||
    (process.platform === "win32" && process.env.LOCALAPPDATA) ||
    join(homedir(), ".cache"),
  "adit",
);

/** Build output, shared by all clones unless the user says otherwise. */
export const target = process.env.CARGO_TARGET_DIR
  ? resolve(process.env.CARGO_TARGET_DIR)
  : join(cache, "target");

/** The name an executable has on this system. */
export const executable = (name) => (process.platform === "win32" ? `${name}.exe` : name);

/** A program that `cargo build` made: `built("debug", "adit")`. */
export const built = (profile, name) => join(target, profile, executable(name));
