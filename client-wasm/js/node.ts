// Entry for Node (dist/node.js): the module's bytes and all parts are bundled, nothing is fetched unless the option wasm names an address.
import { fetchModule } from "./wasm/load_wasm.js";
import { connector } from "./client/connect.js";
import { nodeOptions } from "./client/node_options.js";
import { bytes } from "./inline.js";
import type { Connect } from "./app_frames/types.js";
import type { Address, Options } from "./types.js";
import * as debug from "./debug.js";
import * as own from "./own.js";
import { withTickets } from "./client/tickets.js";
import * as storing from "./store.js";

const start = connector(
  async (from) => (from ? fetchModule(from) : WebAssembly.compile(bytes())),
  async () => storing,
  // There are no tabs.
  async () => ({ share: async (_, options) => (options.ticketUrl ? withTickets(options) : options) }),
  async () => own,
  async (asked) => (asked ? debug : undefined),
);

export const connect = (async (url: Address, options?: Options) => start(url, nodeOptions(options))) as Connect;

export * from "./exports.js";
