// Tells the stories: all of them, or those whose title has one of the words given.
// Each prints `ok - TITLE` or `not ok - TITLE: why`.

import { readdirSync } from "node:fs";
import { tell } from "./story.mjs";

const folder = new URL("stories/", import.meta.url);
const words = process.argv.slice(2);

let kept = true;
for (const file of readdirSync(folder).sort()) {
  const { default: stories } = await import(new URL(file, folder).href);
  for (const story of stories) {
    if (words.length > 0 && !words.some((word) => story.title.includes(word) || file.startsWith(word))) continue;
    kept = (await tell(story)) && kept;
  }
}
process.exit(kept ? 0 : 1);
