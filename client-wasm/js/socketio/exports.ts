// The exports of every entry of `rejoin/socketio` beside connect.
export { RejoinError, SendError, type ErrorCode } from "../errors.js";
export type { Client } from "./client.js";
export type * from "./app_events/types.js";
export type * from "./types.js";
