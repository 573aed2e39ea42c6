// Entry for browsers (dist/socketio.js).
import { loadModule } from "../wasm/load_wasm.js";
import { debugLoader, loadPart, withFreshUrl } from "../client/load_part.js";
import { connector } from "./connect.js";

const inline = withFreshUrl(() => import("./socketio-inline.js"));
const polling = withFreshUrl(() => import("./polling.js"));

export const connect = connector(
  (from, frames) =>
    loadModule(
      from,
      () => (frames ? new URL("./rejoin-socketio-frames.wasm", import.meta.url) : new URL("./rejoin-socketio.wasm", import.meta.url)),
      // Those of the one that can do both.
      inline,
    ),
  () => import("./own-socketio.js"),
  debugLoader(() => import("./debug.js")),
  { loadPolling: () => loadPart(polling), socketsTakeHeaders: false },
);

export * from "./exports.js";
