import { found } from "../loading.js";
import { debugging } from "../debugging.js";
import { afresh } from "../part.js";
import { connector } from "./connect.js";

const inline = afresh(() => import("./socketio-inline.js"));

export const connect = connector(
  (from, frames) =>
    found(
      from,
      () => (frames ? new URL("./rejoin-socketio-frames.wasm", import.meta.url) : new URL("./rejoin-socketio.wasm", import.meta.url)),
      // Those of the one that can do both.
      inline,
    ),
  () => import("./own-socketio.js"),
  debugging(() => import("./debug.js")),
);

export * from "./exports.js";
