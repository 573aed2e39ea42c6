import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { endpoint } from "./endpoint.js";
import { RejoinError } from "./errors.js";
import * as own from "./home.js";
import { abortable } from "./abort.js";
import { Loader } from "./loading.js";
import { begin } from "./reload.js";
import { rooms } from "./speech.js";
import type { Store } from "./stored.js";
import { addresses, checkOptions } from "./settings.js";
import type { Address, Options, UrlLike } from "./types.js";

/** Gives the compiled module; `stores`: the one that can store. */
export type Load = (from: string | UrlLike | undefined, stores: boolean) => Promise<WebAssembly.Module>;

/** Gives what a client that stores needs, with a home of its own. */
export type Storing = () => Promise<{ home: typeof own; open(address: string): Promise<Store> }>;

/** Gives the options with which a client shares its tabs' connection, where that is possible. */
export type Share = (
  url: Address,
  options: Options,
  connection: typeof Connection,
) => Promise<Options>;

/** Loads a part of the package; a blip of the network costs it a moment. */
async function part<T>(load: () => Promise<T>): Promise<T> {
  for (const delay of [250, 1000]) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
  return load();
}

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load, storing: Storing, share: Share) {
  const loaders = new Map<typeof own, Loader>();
  const loaderOf = (home: typeof own, stores: boolean) =>
    new Loader(
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
    url: Address,
    options: Options = {},
  ): Promise<Client> {
    checkOptions(options);
    const [[first]] = addresses(url, endpoint) as [[URL, unknown]];
    const connecting = async () => {
      const noStorage = (cause: unknown) => {
        const hint = "persist needs IndexedDB and Web Locks: a secure context, storage that is not blocked, and store.js beside the script";
        throw new RejoinError("no_storage", "the browser's storage cannot be used", hint, { cause });
      };
      const { home, open } = options.persist ? await part(storing).catch(noStorage) : { home: own, open: undefined };
      const loader = loaders.get(home) ?? loaderOf(home, !!open);
      loaders.set(home, loader);
      await begin(loader, options.wasm);
      let shared = options;
      if (options.shareTabs) {
        shared = await part(() => share(url, options, home.Connection)).catch((cause) => {
          const hint = "tabs.js has to be where the script is";
          throw new RejoinError("tabs_failed", "the part for shared tabs did not load", hint, { cause });
        });
      }
      return [home, shared, loader, open && (await open(first.href).catch(noStorage))] as const;
    };
    const [home, shared, loader, store] = await abortable(connecting(), options.signal);
    return new Client(home, url, shared, rooms, loader, store);
  };
}
