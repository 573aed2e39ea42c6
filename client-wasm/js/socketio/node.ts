import { fetched } from "../loading.js";
import { connector } from "./connect.js";
import { bytes } from "./socketio-inline.js";

export const connect = connector(async (from) =>
  (from ? fetched(from) : WebAssembly.compile(bytes())),
);

export * from "./exports.js";
