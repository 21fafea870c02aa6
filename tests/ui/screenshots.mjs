// Pictures of every view in both themes, into the folder given.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { calm } from "./audit.mjs";
import { Scene } from "./story.mjs";
import { setTheme, walk } from "./views.mjs";

const [folder, ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

for (const theme of ["light", "dark"]) {
  const scene = new Scene();
  try {
    const stage = await scene.open();
    await stage.services.resizeWindow(1280, 800);
    await setTheme(stage, theme);
    await walk(stage, async (name) => {
      if (only.length > 0 && !only.includes(name)) return;
      await calm(stage.window);
      await stage.window.picture(join(folder, `${name}-${theme}.png`));
      process.stdout.write(`${name}-${theme}.png\n`);
    });
  } catch (error) {
    process.stderr.write(`${await scene.keepPicture("screenshots")}\n${scene.desktop?.said() ?? ""}\n`);
    throw error;
  } finally {
    await scene.close();
  }
}
process.exit(0);
