import { found } from "../loading.js";
import { follower } from "./follow.js";

export const follow = follower((from) =>
  found(
    from,
    () => new URL("./rejoin-feed.wasm", import.meta.url),
    () => import("./feed-inline.js"),
  ),
);

export * from "./exports.js";
