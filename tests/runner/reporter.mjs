// Writes the results of node:test for the tests of a file as JSON lines on descriptor 3 for files.mjs.

import { writeSync } from "node:fs";
import { inspect } from "node:util";

const wanted = new Set(["test:dequeue", "test:complete", "test:start", "test:pass", "test:fail"]);

export default async function* (source) {
  for await (const { type, data } of source) {
    if (!wanted.has(type)) continue;
    const { name, nesting, skip, details } = data;
    const suite = details?.type == "suite";
    const error = details?.error && inspect(details.error.cause ?? details.error);
    writeSync(3, `${JSON.stringify({ type, name, nesting, suite, skip, ms: details?.duration_ms, error })}\n`);
  }
}
