// Entry for browsers (dist/index.js): fetches the module beside the script and loads the optional parts on demand.
import { connector } from "./client/connect.js";
import { debugLoader, withFreshUrl } from "./client/load_part.js";
import { HeadStart } from "./client/head_start.js";
import { loadModule } from "./wasm/load_wasm.js";

const inline = withFreshUrl(() => import("./inline.js"));

export const connect = connector(
  (from, { frames, persist }) =>
    loadModule(
      from,
      () =>
        frames ? new URL("./rejoin-frames.wasm", import.meta.url)
        : persist ? new URL("./rejoin-store.wasm", import.meta.url)
        : new URL("./rejoin.wasm", import.meta.url),
      // Those of the one that can do all, which is a fifth larger.
      inline,
    ),
  () => import("./store.js"),
  () => import("./tabs.js"),
  () => import("./own.js"),
  debugLoader(() => import("./debug.js")),
  HeadStart,
);

export * from "./exports.js";
