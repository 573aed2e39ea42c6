import { found } from "../loading.js";
import { connector } from "./connect.js";

export const connect = connector(
  (from, frames) =>
    found(
      from,
      () => (frames ? new URL("./rejoin-socketio-frames.wasm", import.meta.url) : new URL("./rejoin-socketio.wasm", import.meta.url)),
      // Those of the one that can do both.
      () => import("./socketio-inline.js"),
    ),
  () => import("./own-socketio.js"),
);

export * from "./exports.js";
