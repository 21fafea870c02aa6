// Draws the pictures in icons/ anew from app.svg and tray.svg. To be run after one of these has changed.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./paths.mjs";
import { telling } from "./release.mjs";
import { ensureUi, tool } from "./ui.mjs";

const icons = join(root, "icons");

/** What each bundle format takes. */
const wanted = ["32x32.png", "128x128.png", "128x128@2x.png", "icon.png", "icon.icns", "icon.ico"];

await telling(async () => {
  await ensureUi();
  const folder = mkdtempSync(join(tmpdir(), "adit-icons-"));
  try {
    await tool("@tauri-apps/cli", ["icon", join(icons, "app.svg"), "-o", folder]);
    for (const name of wanted) cpSync(join(folder, name), join(icons, name));
    await tool("@tauri-apps/cli", ["icon", join(icons, "tray.svg"), "-o", folder, "--png", "64"]);
    cpSync(join(folder, "64x64.png"), join(icons, "tray.png"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
