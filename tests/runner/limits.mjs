// Loaded before a test file (--import), and found by it in the place of node:test: every test ends after TEST_LIMIT_MS
// where it names no limit of its own, and its subtests inherit that. Node's own --test-timeout counts per file.

import { register } from "node:module";
import * as node from "node:test";
import { isMainThread } from "node:worker_threads";

// The same file in the thread that resolves imports.
if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (specifier != "node:test" || context.parentURL == import.meta.url) return next(specifier, context);
  return { url: import.meta.url, shortCircuit: true };
}

export const { after, afterEach, before, beforeEach, describe, mock } = node;

const timeout = Number(process.env.TEST_LIMIT_MS);

function limited(declare) {
  return (...args) => {
    const at = args.findIndex((arg) => arg !== null && typeof arg == "object");
    if (at >= 0) args[at] = { timeout, ...args[at] };
    else args.splice(typeof args[0] == "string" ? 1 : 0, 0, { timeout });
    return declare(...args);
  };
}

export const test = Object.assign(limited(node.test), { skip: node.test.skip });
export const it = Object.assign(limited(node.it), { skip: node.it.skip });
export default test;
