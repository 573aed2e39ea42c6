// Entry for Node (dist/socketio-node.js).
import { fetchModule } from "../wasm/load_wasm.js";
import * as debug from "../debug.js";
import { connector } from "./connect.js";
import * as own from "./own-socketio.js";
import * as polling from "./polling.js";
import { bytes } from "./socketio-inline.js";

export const connect = connector(
  async (from) => (from ? fetchModule(from) : WebAssembly.compile(bytes())),
  async () => own,
  async (asked) => (asked ? debug : undefined),
  { loadPolling: async () => polling, socketsTakeHeaders: true },
);

export * from "./exports.js";
