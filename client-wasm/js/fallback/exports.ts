// The exports of every entry of `rejoin/fallback` beside webSocketOrEvents.
export { RejoinError, type ErrorCode } from "../errors.js";
export type * from "./types.js";
