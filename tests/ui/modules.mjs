// The npm packages of this folder's package.json, which are installed outside the clone.

import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.ADIT_WINDOW_MODULES ?? import.meta.dirname, "from.cjs"));

export const selenium = require("selenium-webdriver");
export const http = require("selenium-webdriver/http");
/** Where a file of a package is, to be put into a page. */
export const fileOf = (path) => require.resolve(path);
