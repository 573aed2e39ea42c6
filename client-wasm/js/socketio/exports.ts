export { RejoinError, SendError, type ErrorCode } from "../errors.js";
export type { Client } from "./client.js";
export type * from "./own/types.js";
export type * from "./types.js";
