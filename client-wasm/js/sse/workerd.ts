// As ../workerd.ts.
import { follower } from "./follow.js";
import module from "./rejoin-feed.wasm";

export const follow = follower(async () => module as WebAssembly.Module);

export * from "./exports.js";
