// Entry for Node (dist/sse-node.js).
import * as debug from "../debug.js";
import { fetchModule } from "../wasm/load_wasm.js";
import { bytes } from "./feed-inline.js";
import { connector } from "./connect.js";

export const follow = connector(
  async (from) => (from ? fetchModule(from) : WebAssembly.compile(bytes())),
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
