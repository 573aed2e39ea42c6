// For runtimes that compile no WebAssembly of their own, Cloudflare's Workers for instance: the module is imported.
import { connector } from "./connect.js";
import module from "./rejoin.wasm";

export const connect = connector(
  async () => module as WebAssembly.Module,
  async () => {
    throw new Error("there is no storage here");
  },
  // There are no tabs.
  async (_, options) => options,
);

export * from "./exports.js";
