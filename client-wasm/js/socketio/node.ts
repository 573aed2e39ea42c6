import { connector } from "./connect.js";
import { bytes } from "./socketio-inline.js";

export const connect = connector(async (from) =>
  WebAssembly.compile(from ? await (await fetch(from)).arrayBuffer() : bytes()),
);

export * from "./exports.js";
