// As ../workerd.ts.
import * as debug from "../debug.js";
import { follower } from "./follow.js";
import module from "./rejoin-feed.wasm";

export const follow = follower(
  async () => module as WebAssembly.Module,
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
