export { VirtualClock } from "./clock.js";
export { FakeServer, type FakeConnection, type FakeRoom, type FakeServerOptions, type Traffic } from "./server.js";
export type { Limits } from "./limits.js";
export type { Logged } from "./log.js";
export type { Refusal } from "./script.js";
export type { ClientFrame, SendFrame, ServerFrame } from "./understanding.js";
