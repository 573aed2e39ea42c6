// Entry for Node (dist/socketio-node.js).
import { fetchModule } from "../wasm/load_wasm.js";
import * as debug from "../debug.js";
import { connector } from "./connect.js";
import * as own from "./own-socketio.js";
import * as polling from "./polling.js";
import { nodeOptions } from "../client/node_options.js";
import { bytes } from "./socketio-inline.js";
import type { Connect } from "./app_events/types.js";
import type { Address, Options } from "./types.js";

const start = connector(
  async (from) => (from ? fetchModule(from) : WebAssembly.compile(bytes())),
  async () => own,
  async (asked) => (asked ? debug : undefined),
  { loadPolling: async () => polling, socketsTakeHeaders: true },
);

export const connect = (async (url: Address, options?: Options) => start(url, nodeOptions(options))) as Connect;

export * from "./exports.js";
