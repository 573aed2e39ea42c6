import { debugging } from "../debugging.js";
import { found } from "../loading.js";
import { afresh } from "../part.js";
import { follower } from "./follow.js";

const inline = afresh(() => import("./feed-inline.js"));

export const follow = follower(
  (from) =>
    found(
      from,
      () => new URL("./rejoin-feed.wasm", import.meta.url),
      inline,
    ),
  debugging(() => import("./debug.js")),
);

export * from "./exports.js";
