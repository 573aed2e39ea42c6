import { fetched } from "../loading.js";
import * as debug from "../debug.js";
import { connector } from "./connect.js";
import * as own from "./own-socketio.js";
import { bytes } from "./socketio-inline.js";

export const connect = connector(
  async (from) => (from ? fetched(from) : WebAssembly.compile(bytes())),
  async () => own,
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
