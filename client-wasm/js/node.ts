import { fetched } from "./loading.js";
import { connector } from "./connect.js";
import { bytes } from "./inline.js";
import * as debug from "./debug.js";
import * as own from "./own.js";
import { withTickets } from "./tickets.js";
import * as storing from "./store.js";

export const connect = connector(
  async (from) => (from ? fetched(from) : WebAssembly.compile(bytes())),
  async () => storing,
  // There are no tabs.
  async () => ({ share: async (_, options) => (options.ticketUrl ? withTickets(options) : options) }),
  async () => own,
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
