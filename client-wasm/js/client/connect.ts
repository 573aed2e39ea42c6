// connect(): checks options, loads the module and the optional parts, and constructs the client.
import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { loadScript, PartsLoader } from "./client_loader.js";
import { type LoadDebug, loadPart } from "./load_part.js";
import { parseUrl } from "./url.js";
import { RejoinError } from "../errors.js";
import type { HeadStart } from "./head_start.js";
import { runtime as base, type Runtime } from "./runtime.js";
import { abortable } from "../util/abort.js";
import { Loader } from "../wasm/load_wasm.js";
import { startLoading } from "../wasm/load_retry.js";
import { roomProtocol } from "../protocol/protocol.js";
import type { Store } from "../storage/storage_types.js";
import { parseAddresses, checkOptions, resolveOptions } from "./options.js";
import type { Connect } from "../app_frames/types.js";
import type { Address, Options, UrlLike } from "../types.js";

/** Loads the module that a client with these options needs. */
export type Load = (from: string | UrlLike | undefined, options: Options) => Promise<WebAssembly.Module>;

/** Loads the part of a client that stores or has application frames, with its own runtime. */
export type LoadStoragePart = () => Promise<{ runtime: Runtime; open(address: string): Promise<Store> }>;

/** Loads the part that resolves the options shareTabs and ticketUrl. */
export type LoadTabsPart = () => Promise<{
  share(url: Address, options: Options, connection: typeof Connection): Promise<Options>;
}>;

/** Throws that the part for application frames did not load: without it there is nothing to give `client.frames`. */
const missing = (cause: unknown) => {
  throw new RejoinError("own_failed", "own.js did not load", "connect again to load it again; it has to be beside the script", { cause });
};

const noStorage = (cause: unknown) => {
  throw new RejoinError("no_storage", "the browser's storage cannot be used", "persist needs IndexedDB, Web Locks and a secure context", { cause });
};

/** Loading differs between a browser and Node; everything else is the same. */
export function connector(load: Load, loadStorage: LoadStoragePart, loadTabs: LoadTabsPart, loadAppFrames: LoadStoragePart, loadDebug: LoadDebug, Start?: typeof HeadStart): Connect {
  const loaders = new Map<Runtime, Loader>();
  const loaderOf = (runtime: Runtime, options: Options) => {
    const file = `rejoin${options.frames ? "-frames" : options.persist ? "-store" : ""}.wasm`;
    const loader = loaders.get(runtime) ?? new Loader((from) => load(from, options), runtime.start, file);
    loaders.set(runtime, loader);
    return loader;
  };

  return async function connect(url: Address, options: Options = {}): Promise<any> {
    checkOptions(options);
    const [[address]] = parseAddresses(url, parseUrl) as [[URL, unknown]];
    const connecting = async () => {
      // What is given to `client.frames` is in it.
      const own = options.frames && (await loadPart(loadAppFrames).catch(missing));
      const { runtime = base } = own || {};
      const hasParts = options.persist || options.shareTabs || options.ticketUrl;
      const loader = hasParts
        ? new PartsLoader(async (from) => {
            const { runtime, open } = own || (options.persist ? await loadScript("store", loadStorage) : { runtime: base, open: undefined });
            await loaderOf(runtime, options).try(from);
            const shared = options.shareTabs || options.ticketUrl ? await (await loadScript("tabs", loadTabs)).share(url, options, runtime.Connection) : options;
            return { runtime, options: shared, store: options.persist && (await open!(address.href).catch(noStorage)) };
          })
        : loaderOf(runtime, options);
      const resolved = resolveOptions(url, options);
      // Only if nothing else changes the first dial.
      const headStart =
        Start && !hasParts && !loader.isLoaded && !resolved.urls[1] && typeof resolved.source != "function" && !options.webSocket ?
          new Start(resolved, options.protocol != "plain")
        : undefined;
      const protocol = runtime.protocol?.(options) ?? roomProtocol;
      await startLoading(loader, options.wasm);
      const ClientClass = (await loadDebug(options.debug))?.debugged(Client) ?? Client;
      return () => new ClientClass(runtime, url, options, protocol, loader, headStart);
    };
    return (await abortable(connecting(), options.signal))();
  };
}
