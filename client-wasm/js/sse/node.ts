// Entry for Node (dist/sse-node.js).
import * as debug from "../debug.js";
import { fetchModule } from "../wasm/load_wasm.js";
import { nodeOptions } from "../client/node_options.js";
import { bytes } from "./feed-inline.js";
import { connector } from "./connect.js";

const start = connector(
  async (from) => (from ? fetchModule(from) : WebAssembly.compile(bytes())),
  async (asked) => (asked ? debug : undefined),
);

export const follow: typeof start = async (url, options) => start(url, nodeOptions(options)!);

export * from "./exports.js";
