// Packages of the programs just built: .deb and .rpm on Linux, what the system knows elsewhere.

import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ownFolder } from "./clone.mjs";
import { root, target } from "./paths.mjs";
import { Failure } from "./run.mjs";
import { tool } from "./ui.mjs";

const formats = { linux: ["deb", "rpm"], darwin: ["app", "dmg"], win32: ["nsis"] };

/** What is added to the window on Linux: the command `adit`, and what is opened only at run time. */
const linux = {
  bundle: {
    linux: {
      deb: {
        depends: ["libayatana-appindicator3-1"],
        section: "net",
        files: { "/usr/bin/adit": join(target, "release", "adit") },
      },
      rpm: {
        depends: ["libayatana-appindicator-gtk3"],
        files: { "/usr/bin/adit": join(target, "release", "adit") },
      },
    },
  },
};

/** Makes the packages of this system from the release build; answers where they are. */
export async function packaged() {
  const wanted = formats[process.platform];
  if (wanted === undefined) return [];
  const made = join(target, "release", "bundle");
  rmSync(made, { recursive: true, force: true });
  const config = process.platform === "linux" ? ["--config", JSON.stringify(linux)] : [];
  await tool("@tauri-apps/cli", ["bundle", "--bundles", wanted.join(","), ...config], {
    cwd: root,
    env: { CARGO_TARGET_DIR: target },
    minutes: 30,
  });
  return keep(made);
}

/** Copies the packages to where the next build of another clone leaves them alone. */
function keep(made) {
  const folder = join(ownFolder, "packages");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const found = readdirSync(made, { recursive: true }).filter((path) => /\.(deb|rpm|dmg|exe)$/.test(path));
  if (found.length === 0) throw new Failure("no package was made");
  return found.sort().map((path) => {
    const to = join(folder, path.split(/[\\/]/).pop());
    copyFileSync(join(made, path), to);
    return to;
  });
}
