import { once, type Load } from "../loading.js";
import { start } from "../machine.js";
import { Client } from "./client.js";
import type { Options } from "./types.js";

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load) {
  const started = once(load, start, "rejoin-socketio.wasm");

  /**
   * Starts a client of a Socket.IO server: `https://host`, or with the path of its engine if that is not `/socket.io/`.
   * Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad arguments, and when the
   * WebAssembly module cannot be loaded.
   */
  return async function connect(
    url: string | URL | readonly (string | URL)[],
    options: Options = {},
  ): Promise<Client> {
    await started(options.wasm);
    return new Client(url, options);
  };
}
