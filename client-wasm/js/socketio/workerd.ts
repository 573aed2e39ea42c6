// Entry for runtimes that import WebAssembly modules (dist/socketio-workerd.js), as ../workerd.ts.
import * as debug from "../debug.js";
import { connector } from "./connect.js";
import * as own from "./own-socketio.js";
import * as polling from "./polling.js";
import module from "./rejoin-socketio.wasm";

export const connect = connector(
  async (_, frames) => {
    if (frames) throw new Error("disallowed by the embedder");
    return module as WebAssembly.Module;
  },
  async () => own,
  async (asked) => (asked ? debug : undefined),
  { loadPolling: async () => polling, socketsTakeHeaders: false },
);

export * from "./exports.js";
