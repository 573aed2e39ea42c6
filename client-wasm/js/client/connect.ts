// connect(): checks options, loads the module and the optional parts, and constructs the client.
import { Client } from "./client.js";
import type { Connection } from "./connection.js";
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

/** Throws that a part of the package did not load. */
const missing = (name: "tabs" | "own" | "store") => (cause: unknown) => {
  throw new RejoinError(`${name}_failed`, `${name}.js did not load`, "connect again to load it again; it has to be beside the script", { cause });
};

/** Loading differs between a browser and Node; everything else is the same. */
export function connector(load: Load, loadStorage: LoadStoragePart, loadTabs: LoadTabsPart, loadAppFrames: LoadStoragePart, loadDebug: LoadDebug, Start?: typeof HeadStart): Connect {
  const loaders = new Map<Runtime, Loader>();
  const makeLoader = (runtime: Runtime, options: Options) =>
    new Loader(
      (from) => load(from, options),
      (module) => {
        if (options.persist && !WebAssembly.Module.exports(module).some(({ name }) => name == "machine_save")) {
          throw new Error("this one cannot store");
        }
        runtime.start(module);
      },
      `rejoin${options.frames ? "-frames" : options.persist ? "-store" : ""}.wasm`,
    );

  return async function connect(url: Address, options: Options = {}): Promise<any> {
    checkOptions(options);
    const [[first]] = parseAddresses(url, parseUrl) as [[URL, unknown]];
    const connecting = async () => {
      const noStorage = (cause: unknown) => {
        const hint = "persist needs IndexedDB, Web Locks and a secure context";
        throw new RejoinError("no_storage", "the browser's storage cannot be used", hint, { cause });
      };
      const { runtime, open } =
        options.frames ? await loadPart(loadAppFrames).catch(missing("own"))
        : options.persist ? await loadPart(loadStorage).catch(missing("store"))
        : { runtime: base, open: undefined };
      const protocol = runtime.protocol?.(options) ?? roomProtocol;
      const loader = loaders.get(runtime) ?? makeLoader(runtime, options);
      loaders.set(runtime, loader);
      const resolved = resolveOptions(url, options);
      // Only if no other part changes the first dial.
      const headStart =
        Start && !loader.isLoaded && !resolved.urls[1] && typeof resolved.source != "function" && !options.webSocket && !options.shareTabs && !options.ticketUrl && !options.persist ?
          new Start(resolved, options.protocol != "plain")
        : undefined;
      await startLoading(loader, options.wasm);
      let shared = options;
      if (options.shareTabs || options.ticketUrl) {
        shared = await (await loadPart(loadTabs).catch(missing("tabs"))).share(url, options, runtime.Connection);
      }
      const store = options.persist && (await open!(first.href).catch(noStorage));
      const ClientClass = (await loadDebug(options.debug))?.debugged(Client) ?? Client;
      return () => new ClientClass(runtime, url, shared, protocol, loader, store, headStart);
    };
    return (await abortable(connecting(), options.signal))();
  };
}
