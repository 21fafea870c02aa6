// The real window: its stories, its figures and its pictures, each in desktops of their own.

import { join } from "node:path";
import { ensureNpm, npmModules } from "./npm.mjs";
import { cache, root } from "./paths.mjs";
import { ask, Failure, run } from "./run.mjs";

const file = (name) => join(root, "tests", "ui", name);

/** What is missing to drive a window here; on Debian and Ubuntu nothing ever is. */
function missing() {
  if (process.platform !== "linux") return "Linux";
  const programs = ["Xvfb", "WebKitWebDriver", "dbus-daemon", "gnome-keyring-daemon"];
  const absent = programs.filter((name) => ask("which", [name]) === null);
  if (ask("/usr/bin/python3", ["-c", "import dbus, gi, Xlib"]) === null) absent.push("Python's dbus, gi and Xlib");
  return absent.join(", ");
}

async function environment(programs) {
  await ensureNpm("ui");
  return {
    ADIT_WINDOW_BINARY: programs.desktop,
    ADIT_BINARY: programs.adit,
    ADIT_WINDOW_MODULES: npmModules("ui"),
    ADIT_WINDOW_FAILURES: join(cache, "window-failures"),
  };
}

/** Tells all stories with this window; answers how many were kept, or fails with how many were not. */
export async function windowStories(programs, out = process.stdout) {
  const lacking = missing();
  if (lacking !== "") return { passed: 0, note: `left out, for want of: ${lacking}` };
  const env = await environment(programs);
  const said = await run(process.execPath, [file("stories.mjs")], { env, minutes: 20, show: "all" }).catch((error) => {
    if (!(error instanceof Failure)) throw error;
    return error;
  });
  const text = said instanceof Failure ? said.said : said;
  const failed = text.match(/^not ok - /gm)?.length ?? 0;
  const passed = text.match(/^ok - /gm)?.length ?? 0;
  if (!(said instanceof Failure) && failed === 0 && passed > 0) return { passed };
  const counts = { passed, failed: Math.max(1, failed) };
  throw new Failure(failed > 0 ? `${failed} failed` : said.message, { counts });
}

/** Measures the window of these programs; answers what it said. */
export async function windowFigures(programs) {
  const env = { ...(await environment(programs)), ADIT_FIGURES_BINARY: programs.figures };
  return run(process.execPath, [file("figures.mjs")], { env, minutes: 40, show: "errors" });
}

/** Writes pictures of every view into `folder`; `only` names views. */
export async function windowPictures(programs, folder, only = []) {
  const env = await environment(programs);
  await run(process.execPath, [file("screenshots.mjs"), folder, ...only], { env, minutes: 10, show: "all" });
}
