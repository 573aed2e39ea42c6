import { connector } from "./connect.js";
import { debugging } from "./debugging.js";
import { HeadStart } from "./head_start.js";
import { found } from "./loading.js";
import { afresh } from "./part.js";

const inline = afresh(() => import("./inline.js"));

export const connect = connector(
  (from, { frames, persist }) =>
    found(
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
  debugging(() => import("./debug.js")),
  HeadStart,
);

export * from "./exports.js";
