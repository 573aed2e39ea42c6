// Entry `rejoin/testing`: a virtual clock and an in-memory server for tests of applications.
export { VirtualClock } from "./clock.js";
export { FakeServer, type FakeConnection, type FakeRoom, type FakeServerOptions, type Traffic } from "./server.js";
export type { Limits } from "./limits.js";
export type { Logged } from "./log.js";
export type { Refusal } from "./plan.js";
export type { ClientFrame, SendFrame, ServerFrame } from "./validate.js";
