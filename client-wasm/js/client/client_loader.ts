// Loads what a client is made of: the parts of the package that its options need, and the module. In attempts; when the next one is
// is up to the client.
import { loadPart } from "./load_part.js";
import type { Runtime } from "./runtime.js";
import type { Store } from "../storage/storage_types.js";
import { Loader, Unreachable } from "../wasm/load_wasm.js";
import type { Options, WasmSource } from "../types.js";

/** What a client is made of. */
export interface Parts {
  readonly runtime: Runtime;
  /** The client's options, as the parts have resolved them. */
  readonly options: Options;
  readonly store?: Store | undefined;
}

/** The loader of one client. */
export type ClientLoader = Pick<Loader, "isLoaded" | "try"> & { readonly parts?: Parts | undefined };

/** One attempt at the script of an option. */
export const loadScript = <T>(name: "store" | "tabs", load: () => Promise<T>): Promise<T> =>
  loadPart(load).catch(({ message }) => {
    throw new Unreachable(`${name}.js did not load: ${message}`, `${name}_failed`);
  });

export class PartsLoader extends Loader {
  parts: Parts | undefined;

  constructor(readonly loadParts: (from: WasmSource | undefined) => Promise<Parts>) {
    super();
  }

  override async run(from: WasmSource | undefined): Promise<void> {
    this.parts ??= await this.loadParts(from);
    this.isLoaded = true;
  }
}
