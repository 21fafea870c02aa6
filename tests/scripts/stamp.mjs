// "Done already?" by content: a step is done again only when what it depends on has changed.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A mark in `folder` that holds as long as the `inputs` (texts) are the same; `name` if it has several. */
export class Stamp {
  constructor(folder, inputs, name = "") {
    this.path = join(folder, name ? `stamp-${name}` : "stamp");
    this.value = createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
  }

  get holds() {
    return existsSync(this.path) && readFileSync(this.path, "utf8") === this.value;
  }

  set() {
    writeFileSync(this.path, this.value);
  }
}
