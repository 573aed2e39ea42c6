// The exports of every entry of `rejoin/sse` beside follow.
export { RejoinError, type ErrorCode } from "../errors.js";
export type { Feed } from "./feed.js";
export type * from "./types.js";
