import { connector } from "./connect.js";
import { found } from "./loading.js";

export const connect = connector(
  (from, { frames, persist }) =>
    found(
      from,
      () =>
        frames ? new URL("./rejoin-frames.wasm", import.meta.url)
        : persist ? new URL("./rejoin-store.wasm", import.meta.url)
        : new URL("./rejoin.wasm", import.meta.url),
      // Those of the one that can do all, which is a fifth larger.
      () => import("./inline.js"),
    ),
  () => import("./store.js"),
  async (...args) => (await import("./tabs.js")).share(...args),
  () => import("./own.js"),
);

export * from "./exports.js";
