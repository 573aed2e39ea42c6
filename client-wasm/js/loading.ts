// Gets the compiled module, and tells what may pass from what will not.
import { RejoinError } from "./errors.js";
import type { UrlLike, WasmSource } from "./types.js";

/** Gives the compiled module. */
export type Load = (from: string | UrlLike | undefined) => Promise<WebAssembly.Module>;

/** The module cannot be had for now: the network or the server's trouble. */
export class Unreachable extends Error {}

/** As for a dial: what takes longer than this hangs. */
const LONGEST_LOAD = 10_000;

/** Rejects what hangs. */
function inTime<T>(promise: Promise<T>, give: () => void = () => {}): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Unreachable(`no answer for ${LONGEST_LOAD / 1000} s`));
      give();
    }, LONGEST_LOAD);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The module at an address. */
export async function fetched(from: string | UrlLike): Promise<WebAssembly.Module> {
  const abort = new AbortController();
  const bytes = async () => {
    let response: Response;
    try {
      response = await fetch(typeof from == "string" ? from : from.href, { signal: abort.signal });
    } catch (error) {
      throw new Unreachable(String(error));
    }
    const { ok, status, url } = response;
    if (!ok) throw new (status >= 500 || status == 408 || status == 425 || status == 429 ? Unreachable : Error)(`HTTP ${status} for ${url}`);
    return response.arrayBuffer().catch((error) => {
      throw new Unreachable(String(error));
    });
  };
  // Not compileStreaming: it refuses a server that does not know the file's type.
  return WebAssembly.compile(await inTime(bytes(), () => abort.abort()));
}

/**
 * From where the application says; else the file beside the script. Bundlers that know the form of `beside` take the file
 * along, others do not: then its bytes, in a chunk that is loaded only now.
 */
export async function found(
  from: string | UrlLike | undefined,
  beside: () => URL,
  inline: () => Promise<{ bytes(): BufferSource }>,
): Promise<WebAssembly.Module> {
  if (from) return fetched(from);
  try {
    return await fetched(beside());
  } catch (error) {
    const { bytes } = await inTime(inline()).catch((other) => {
      // Why a chunk did not come nobody is told.
      throw error instanceof Unreachable ? error : new Unreachable(`${error}; ${other}`);
    });
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
}

/** What to do about a module that is there and does not run, or is nowhere. `file`: which it is. */
function advice(error: unknown, file: string): string {
  const words = String(error);
  if (/unsafe-eval|CSP|Content Security/.test(words)) return "allow wasm-unsafe-eval in the page's content security policy (script-src)";
  if (/embedder|disallowed/.test(words)) return `this runtime wants the compiled module: import it (rejoin/${file}) and give it as the option wasm`;
  return `the option wasm says where ${file} is, where it is not beside the script`;
}

/** Loads one module, once for all who want it. */
export class Loader {
  isLoaded = false;
  #trying: Promise<void> | undefined;

  constructor(
    readonly load: Load,
    readonly start: (module: WebAssembly.Module) => void,
    readonly file: string,
  ) {}

  /** One try, which all who ask meanwhile share. Rejects with `Unreachable` if another one may help. */
  try(from: WasmSource | undefined): Promise<void> {
    return (this.#trying ??= this.#run(from).finally(() => (this.#trying = undefined)));
  }

  async #run(from: WasmSource | undefined): Promise<void> {
    if (this.isLoaded) return;
    if (typeof WebAssembly == "undefined") {
      const hint = "React Native's engine has none: use a runtime that has, or run this in a WebView";
      throw new RejoinError("no_webassembly", "this runtime has no WebAssembly", hint);
    }
    try {
      this.start(
        from instanceof WebAssembly.Module ? from
        : from == undefined || typeof from == "string" || "href" in from ? await this.load(from)
        : await WebAssembly.compile(from as BufferSource),
      );
      this.isLoaded = true;
    } catch (cause) {
      if (cause instanceof Unreachable) throw cause;
      throw new RejoinError("wasm_failed", `the WebAssembly module did not load: ${(cause as Error)?.message ?? cause}`, advice(cause, this.file), { cause });
    }
  }
}
