// The packed package, unpacked once for a test file that uses it in this process.

import { join } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { project } from "./package.mjs";

const cleanings = [];
after(() => cleanings.forEach((clean) => clean()));

export const root = project({ after: (clean) => cleanings.push(clean) }, {});

/** A file of its dist folder. */
export const installed = (name) => import(new URL(name, pathToFileURL(join(root, "node_modules/rejoin/dist/"))));
