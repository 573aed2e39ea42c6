// The exports of every entry for rooms beside connect.
export type { Client } from "./client/client.js";
export { RejoinError, SendError, type ErrorCode } from "./errors.js";
export type * from "./app_frames/types.js";
export type * from "./types.js";
export type * from "./code_types.js";
