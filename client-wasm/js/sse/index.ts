// Entry for browsers (dist/sse.js).
import { debugLoader, withFreshUrl } from "../client/load_part.js";
import { loadModule } from "../wasm/load_wasm.js";
import { connector } from "./connect.js";

const inline = withFreshUrl(() => import("./feed-inline.js"));

export const follow = connector(
  (from) =>
    loadModule(
      from,
      () => new URL("./rejoin-feed.wasm", import.meta.url),
      inline,
    ),
  debugLoader(() => import("./debug.js")),
);

export * from "./exports.js";
