import { Client } from "./client.js";
import { Connection } from "./connection.js";
import { endpoint } from "./endpoint.js";
import { RejoinError } from "./errors.js";
import { start } from "./machine.js";
import type { Store } from "./stored.js";
import type { Options } from "./types.js";

/** Gives the compiled module. */
export type Load = (from: string | URL | undefined) => Promise<WebAssembly.Module>;

/** Gives the options with which a client shares its tabs' connection, where that is possible. */
export type Share = (
  url: string | URL | readonly (string | URL)[],
  options: Options,
  connection: typeof Connection,
) => Promise<Options>;

let loading: Promise<void> | undefined;

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load, store: (address: string) => Promise<Store>, share: Share) {
  async function run(from: Options["wasm"]): Promise<void> {
    try {
      start(
        from instanceof WebAssembly.Module ? from
        : typeof from == "string" || from instanceof URL || from == undefined ? await load(from)
        : await WebAssembly.compile(from),
      );
    } catch (cause) {
      loading = undefined;
      const hint = "allow wasm-unsafe-eval in the content security policy; the option wasm says where the file is";
      throw new RejoinError("wasm_failed", "the WebAssembly module did not load", hint, { cause });
    }
  }

  /**
   * Starts a client. Resolves as soon as it runs: it dials in the background, and works offline. Rejects on bad
   * arguments, and when the WebAssembly module cannot be loaded.
   */
  return async function connect(
    url: string | URL | readonly (string | URL)[],
    options: Options = {},
  ): Promise<Client> {
    await (loading ??= run(options.wasm));
    if (options.shareTabs) {
      options = await share(url, options, Connection).catch((cause) => {
        const hint = "tabs.js has to be where the script is";
        throw new RejoinError("tabs_failed", "the part for shared tabs did not load", hint, { cause });
      });
    }
    if (!options.persist) return new Client(url, options);
    const [first] = endpoint(Array.isArray(url) ? url[0] : url);
    const kept = await store(first.href).catch((cause) => {
      const hint = "persist needs IndexedDB and Web Locks: a secure context, and storage that is not blocked";
      throw new RejoinError("no_storage", "the browser's storage cannot be used", hint, { cause });
    });
    return new Client(url, options, kept);
  };
}
