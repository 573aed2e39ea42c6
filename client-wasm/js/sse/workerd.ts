// Entry for runtimes that import WebAssembly modules (dist/sse-workerd.js), as ../workerd.ts.
import * as debug from "../debug.js";
import { connector } from "./connect.js";
import module from "./rejoin-feed.wasm";

export const follow = connector(
  async () => module as WebAssembly.Module,
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
