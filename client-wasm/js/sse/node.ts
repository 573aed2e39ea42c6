import * as debug from "../debug.js";
import { fetched } from "../loading.js";
import { bytes } from "./feed-inline.js";
import { follower } from "./follow.js";

export const follow = follower(
  async (from) => (from ? fetched(from) : WebAssembly.compile(bytes())),
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
