// For runtimes that compile no WebAssembly of their own, Cloudflare's Workers for instance: the module is imported.
import { connector } from "./client/connect.js";
import * as debug from "./debug.js";
import { withTickets } from "./client/tickets.js";
import * as own from "./own.js";
import { runtime } from "./client/runtime.js";
import module from "./rejoin.wasm";

export const connect = connector(
  async (_, { frames }) => {
    // The module with frames would enlarge every Worker: it is not bundled.
    if (frames) throw new Error("disallowed by the embedder");
    return module as WebAssembly.Module;
  },
  async () => ({
    runtime,
    open: () => Promise.reject(new Error("there is no storage here")),
  }),
  // There are no tabs.
  async () => ({ share: async (_, options) => (options.ticketUrl ? withTickets(options) : options) }),
  async () => own,
  async (asked) => (asked ? debug : undefined),
);

export * from "./exports.js";
