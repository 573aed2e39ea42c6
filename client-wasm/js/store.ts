// Entry of dist/store.js, loaded for the option persist.
export { runtime, open } from "./storage/indexeddb.js";
