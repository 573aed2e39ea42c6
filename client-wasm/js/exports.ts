export type { Client } from "./client.js";
export { RejoinError, SendError, type ErrorCode } from "./errors.js";
export type * from "./own/types.js";
export type * from "./types.js";
export type { CauseCode, Code, GapReason, JoinReason, Mode, RoomState, SendFailure, State } from "./names.js";
