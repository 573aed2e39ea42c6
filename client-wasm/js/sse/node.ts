import { fetched } from "../loading.js";
import { bytes } from "./feed-inline.js";
import { follower } from "./follow.js";

export const follow = follower(async (from) =>
  (from ? fetched(from) : WebAssembly.compile(bytes())),
);

export * from "./exports.js";
