// What every entry of `rejoin/sse` exports beside follow.
export { RejoinError, type ErrorCode } from "../errors.js";
export type { Feed } from "./feed.js";
export type * from "./types.js";
