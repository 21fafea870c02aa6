// npm run screenshots: pictures of every view in both themes, from the real window. The folder they
// go to is the first argument, else one in the cache; further arguments name views.

import { join, resolve } from "node:path";
import { cache } from "./paths.mjs";
import { released, telling } from "./release.mjs";
import { windowPictures } from "./window.mjs";

const [folder = join(cache, "screenshots"), ...only] = process.argv.slice(2);

await telling(async () => {
  const programs = await released(["build", "test"]);
  await windowPictures(programs, resolve(folder), only);
  console.log(resolve(folder));
});
