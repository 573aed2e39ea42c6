// Entry of dist/polling.js, loaded for the first dial by long polling.
export { PollingSession } from "./polling/session.js";
