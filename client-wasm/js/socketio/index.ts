import { found } from "../loading.js";
import { connector } from "./connect.js";

export const connect = connector((from) =>
  found(
    from,
    () => new URL("./rejoin-socketio.wasm", import.meta.url),
    () => import("./socketio-inline.js"),
  ),
);

export * from "./exports.js";
