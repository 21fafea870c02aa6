// npm run build: the programs as they are released, and packages that install them. Prints where
// they are, one a line.

import { packaged } from "./package.mjs";
import { released, telling } from "./release.mjs";

await telling(async () => {
  const programs = await released();
  for (const path of [programs.adit, programs.desktop, ...(await packaged())]) console.log(path);
});
