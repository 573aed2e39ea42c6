// Entry of dist/streams.js, loaded for the first dial by streams of events.
export { EventStreams } from "./streams/event_streams.js";
