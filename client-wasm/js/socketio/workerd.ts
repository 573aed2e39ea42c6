// As ../workerd.ts.
import { connector } from "./connect.js";
import module from "./rejoin-socketio.wasm";

export const connect = connector(async () => module as WebAssembly.Module);

export * from "./exports.js";
