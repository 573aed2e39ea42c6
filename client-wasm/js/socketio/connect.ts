import { abortable } from "../abort.js";
import { Loader, type Load } from "../loading.js";
import { start } from "../machine.js";
import { begin } from "../reload.js";
import { addresses } from "../settings.js";
import { engine } from "./address.js";
import { checkOptions, Client } from "./client.js";
import type { Address, Options } from "./types.js";

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load) {
  const loader = new Loader(load, start, "rejoin-socketio.wasm");

  /**
   * Starts a client of a Socket.IO server: `https://host`, or with the path of its engine if that is not `/socket.io/`.
   * Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad arguments, and when the
   * WebAssembly module cannot be loaded.
   */
  return async function connect(
    url: Address,
    options: Options = {},
  ): Promise<Client> {
    checkOptions(options);
    addresses(url, engine);
    await abortable(begin(loader, options.wasm), options.signal);
    return new Client(url, options, loader);
  };
}
