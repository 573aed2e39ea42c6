export type { Client } from "./client.js";
export { RejoinError, SendError, type ErrorCode } from "./errors.js";
export type * from "./own/types.js";
export type * from "./types.js";
export type * from "./words.js";
