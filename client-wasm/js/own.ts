// Entry of dist/own.js, loaded for the option frames: the runtime and the protocol of a client with application frames.
import type { Runtime } from "./client/runtime.js";
import { startWithFrames } from "./app_frames/shared.js";
import { AppFramesProtocol } from "./app_frames/protocol.js";
import { runtime as base, open } from "./storage/indexeddb.js";

export { open };

export const runtime: Runtime = { ...base, start: startWithFrames, protocol: (options) => new AppFramesProtocol(options) };
