import { connector } from "./connect.js";
import { found } from "./loading.js";

export const connect = connector(
  (from, stores) =>
    found(
      from,
      () => (stores ? new URL("./rejoin-store.wasm", import.meta.url) : new URL("./rejoin.wasm", import.meta.url)),
      // Those of the one that can do both, which is a third larger.
      () => import("./inline.js"),
    ),
  () => import("./store.js"),
  async (...args) => (await import("./tabs.js")).share(...args),
);

export * from "./exports.js";
