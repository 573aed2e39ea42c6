import { bytes } from "./feed-inline.js";
import { follower } from "./follow.js";

export const follow = follower(async (from) =>
  WebAssembly.compile(from ? await (await fetch(from)).arrayBuffer() : bytes()),
);

export * from "./exports.js";
