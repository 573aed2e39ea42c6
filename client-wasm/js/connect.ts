import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { endpoint } from "./endpoint.js";
import { RejoinError } from "./errors.js";
import * as own from "./home.js";
import { once } from "./loading.js";
import { rooms } from "./speech.js";
import type { Store } from "./stored.js";
import type { Options } from "./types.js";

/** Gives the compiled module; `stores`: the one that can store. */
export type Load = (from: string | URL | undefined, stores: boolean) => Promise<WebAssembly.Module>;

/** Gives what a client that stores needs, with a home of its own. */
export type Storing = () => Promise<{ home: typeof own; open(address: string): Promise<Store> }>;

/** Gives the options with which a client shares its tabs' connection, where that is possible. */
export type Share = (
  url: string | URL | readonly (string | URL)[],
  options: Options,
  connection: typeof Connection,
) => Promise<Options>;

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load, storing: Storing, share: Share) {
  const starts = new Map<typeof own, ReturnType<typeof once>>();
  const starter = (home: typeof own, stores: boolean) =>
    once(
      (from) => load(from, stores),
      (module) => {
        if (stores && !WebAssembly.Module.exports(module).some(({ name }) => name == "machine_save")) {
          throw new Error("this one cannot store");
        }
        home.start(module);
      },
      stores ? "rejoin-store.wasm" : "rejoin.wasm",
    );

  /**
   * Starts a client. Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad
   * arguments, and when the WebAssembly module cannot be loaded.
   */
  return async function connect(
    url: string | URL | readonly (string | URL)[],
    options: Options = {},
  ): Promise<Client> {
    const noStorage = (cause: unknown) => {
      const hint = "persist needs IndexedDB and Web Locks: a secure context, and storage that is not blocked";
      throw new RejoinError("no_storage", "the browser's storage cannot be used", hint, { cause });
    };
    const { home, open } = options.persist ? await storing().catch(noStorage) : { home: own, open: undefined };
    if (!starts.has(home)) starts.set(home, starter(home, !!open));
    await starts.get(home)!(options.wasm);
    if (options.shareTabs) {
      options = await share(url, options, home.Connection).catch((cause) => {
        const hint = "tabs.js has to be where the script is";
        throw new RejoinError("tabs_failed", "the part for shared tabs did not load", hint, { cause });
      });
    }
    if (!open) return new Client(home, url, options, rooms);
    const [first] = endpoint(Array.isArray(url) ? url[0] : url);
    return new Client(home, url, options, rooms, await open(first.href).catch(noStorage));
  };
}
