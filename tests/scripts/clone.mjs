// What belongs to this clone alone, within the cache that all clones share.
//
// In a target folder shared by two clones cargo takes the other clone's crates for this one's: it
// compares times only, of paths that are relative to the workspace. But it keeps apart what went
// through different wrappers. So every clone has wrappers of its own, and our crates are built once
// a clone, the dependencies once for all.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { cache, cloneId, root, target } from "./paths.mjs";

const clones = join(cache, "clones");
const own = join(clones, cloneId);
/** What is kept for this clone alone. */
export const ownFolder = own;
const scripted = process.platform !== "win32";

/** Lints our crates while they are compiled. */
export const lintingWrapper = scripted ? join(own, "lint") : "clippy-driver";
/** Compiles our crates as they are. */
export const plainWrapper = scripted ? join(own, "plain") : "";

/** Makes this clone's folder. Answers the paths of clones that are gone, whose folders it removes. */
export function enterClone() {
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, "path"), root);
  if (scripted) {
    script(lintingWrapper, 'exec clippy-driver "$@"');
    script(plainWrapper, 'exec "$@"');
  }
  return readdirSync(clones)
    .map((id) => join(clones, id))
    .filter((folder) => !existsSync(clonePath(folder)))
    .map((folder) => {
      const path = clonePath(folder);
      rmSync(folder, { recursive: true, force: true });
      return path;
    });
}

function clonePath(folder) {
  try {
    return readFileSync(join(folder, "path"), "utf8");
  } catch {
    return "";
  }
}

function script(path, command) {
  const text = `#!/bin/sh\n${command}\n`;
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

/**
 * Keeps what was just built, such as `release/adit`, beyond the next build of another clone, and
 * answers where. All that is kept of one profile lies in one folder.
 */
export function keep(program) {
  const [profile] = program.split("/");
  const name = basename(program) + (scripted ? "" : ".exe");
  const from = join(target, ...program.split("/").slice(0, -1), name);
  const to = join(own, profile, name);
  mkdirSync(join(own, profile), { recursive: true });
  rmSync(to, { force: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  return to;
}
