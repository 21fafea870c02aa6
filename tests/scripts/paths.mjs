// Where things are: the clone, and what is kept outside it so that a fresh clone finds it again.

import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of this clone. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Tells this clone from others on the same machine. */
export const cloneId = createHash("sha256").update(root).digest("hex").slice(0, 16);

const windows = process.platform === "win32";

/** Everything this project keeps between runs and between clones. */
export const cache = join(
  process.env.XDG_CACHE_HOME ||
    (windows && process.env.LOCALAPPDATA) ||
    join(homedir(), ".cache"),
  "adit",
);

/**
 * Build output, shared by all clones unless the user says otherwise. On Windows each clone has one
 * of its own: what keeps clones apart in a shared one are scripts.
 */
export const target = process.env.CARGO_TARGET_DIR
  ? resolve(process.env.CARGO_TARGET_DIR)
  : join(cache, windows ? `target-${cloneId}` : "target");
