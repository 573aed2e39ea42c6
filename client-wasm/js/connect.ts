import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import type { Debugging } from "./debugging.js";
import { endpoint } from "./endpoint.js";
import { RejoinError } from "./errors.js";
import type { HeadStart } from "./head_start.js";
import { home as own, type Home } from "./home.js";
import { abortable } from "./abort.js";
import { Loader } from "./loading.js";
import { part } from "./part.js";
import { begin } from "./reload.js";
import { rooms } from "./speech.js";
import type { Store } from "./stored.js";
import { addresses, checkOptions, settings } from "./settings.js";
import type { Connect } from "./own/types.js";
import type { Address, Options, UrlLike } from "./types.js";

/** Gives the compiled module that a client with such options needs. */
export type Load = (from: string | UrlLike | undefined, options: Options) => Promise<WebAssembly.Module>;

/** Gives what a client that stores, or has messages of its own, needs, with a home of its own. */
export type Part = () => Promise<{ home: Home; open(address: string): Promise<Store> }>;

/** Gives what gives the options with which a client has a ticket for each dial, and shares its tabs' connection where that is possible. */
export type Sharing = () => Promise<{
  share(url: Address, options: Options, connection: typeof Connection): Promise<Options>;
}>;

/** Throws that this part of the package is not there. */
const missing = (name: "tabs" | "own") => (cause: unknown) => {
  throw new RejoinError(`${name}_failed`, `${name}.js did not load`, "it has to be beside the script", { cause });
};

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load, storing: Part, sharing: Sharing, owning: Part, debugging: Debugging, Start?: typeof HeadStart): Connect {
  const loaders = new Map<Home, Loader>();
  const loaderOf = (home: Home, options: Options) =>
    new Loader(
      (from) => load(from, options),
      (module) => {
        if (options.persist && !WebAssembly.Module.exports(module).some(({ name }) => name == "machine_save")) {
          throw new Error("this one cannot store");
        }
        home.start(module);
      },
      `rejoin${options.frames ? "-frames" : options.persist ? "-store" : ""}.wasm`,
    );

  return async function connect(url: Address, options: Options = {}): Promise<any> {
    checkOptions(options);
    const [[first]] = addresses(url, endpoint) as [[URL, unknown]];
    const connecting = async () => {
      const noStorage = (cause: unknown) => {
        const hint = "persist needs IndexedDB, Web Locks, a secure context, and store.js beside the script";
        throw new RejoinError("no_storage", "the browser's storage cannot be used", hint, { cause });
      };
      const { home, open } =
        options.frames ? await part(owning).catch(missing("own"))
        : options.persist ? await part(storing).catch(noStorage)
        : { home: own, open: undefined };
      const speech = home.speech?.(options) ?? rooms;
      const loader = loaders.get(home) ?? loaderOf(home, options);
      loaders.set(home, loader);
      const found = settings(url, options);
      // Where nothing else decides first what the first dial is.
      const headStart =
        Start && !loader.isLoaded && !found.urls[1] && typeof found.source != "function" && !options.webSocket && !options.shareTabs && !options.ticketUrl && !options.persist ?
          new Start(found, options.protocol != "plain")
        : undefined;
      await begin(loader, options.wasm);
      let shared = options;
      if (options.shareTabs || options.ticketUrl) {
        shared = await (await part(sharing).catch(missing("tabs"))).share(url, options, home.Connection);
      }
      const store = options.persist && (await open!(first.href).catch(noStorage));
      const Made = (await debugging(options.debug))?.debugged(Client) ?? Client;
      return () => new Made(home, url, shared, speech, loader, store, headStart);
    };
    return (await abortable(connecting(), options.signal))();
  };
}
