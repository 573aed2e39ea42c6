// Entry of dist/own-socketio.js, loaded for the option frames: the runtime and the protocol of a client with application events.
import { runtime as base, type Runtime } from "../client/runtime.js";
import { startWithFrames } from "../app_frames/shared.js";
import { AppEventsProtocol, AttachmentConnection } from "./app_events/protocol.js";

export const runtime: Runtime = { ...base, Connection: AttachmentConnection, start: startWithFrames };
export { AppEventsProtocol as Protocol };
