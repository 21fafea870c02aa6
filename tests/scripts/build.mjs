// npm run build: the programs as they are released. Prints where `adit` is.

import { released, telling } from "./release.mjs";

await telling(async () => console.log((await released()).adit));
