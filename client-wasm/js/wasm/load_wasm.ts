// Loads and compiles the WebAssembly module, and separates temporary failures from permanent ones.
import { RejoinError } from "../errors.js";
import type { LoadCode, UrlLike, WasmSource } from "../types.js";

/** Loads the compiled module. */
export type Load = (from: string | UrlLike | undefined) => Promise<WebAssembly.Module>;

/** The module, or another part of the package, is temporarily unavailable: a network or server failure. */
export class Unreachable extends Error {
  constructor(
    message: string,
    readonly code: LoadCode = "wasm_unavailable",
  ) {
    super(message);
  }
}

/** Loading that takes longer has hung, as for a dial. */
const LOAD_TIMEOUT = 10_000;

/** How long starting waits for the module, and for each other part of the package. */
export const START_TIMEOUT = 3_000;

/** Rejects after the timeout. */
export function withTimeout<T>(promise: Promise<T>, timeout = LOAD_TIMEOUT, onTimeout?: () => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Unreachable(`no answer for ${timeout / 1000} s`));
      onTimeout?.();
    }, timeout);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Fetches and compiles a module. */
export async function fetchModule(from: string | UrlLike): Promise<WebAssembly.Module> {
  const abort = new AbortController();
  const bytes = async () => {
    // Throws where it is no URL: that is no matter of time.
    const request = new Request(typeof from == "string" ? from : from.href, { signal: abort.signal });
    let response: Response;
    try {
      response = await fetch(request);
    } catch (error) {
      throw new Unreachable(String(error));
    }
    const { ok, status, url } = response;
    if (!ok) throw new (status >= 500 || status == 408 || status == 425 || status == 429 ? Unreachable : Error)(`HTTP ${status} for ${url}`);
    return response.arrayBuffer().catch((error) => {
      throw new Unreachable(String(error));
    });
  };
  // Not compileStreaming: it rejects responses without the wasm content type.
  return WebAssembly.compile(await withTimeout(bytes(), LOAD_TIMEOUT, () => abort.abort()));
}

/**
 * Loads from the application's address, else the file beside the script. Bundlers that know the form of `beside` copy the file;
 * for others the bytes are in a chunk that is loaded only then.
 */
export async function loadModule(
  from: string | UrlLike | undefined,
  beside: () => URL,
  inline: () => Promise<{ bytes(): BufferSource }>,
): Promise<WebAssembly.Module> {
  if (from) return fetchModule(from);
  try {
    return await fetchModule(beside());
  } catch (error) {
    const { bytes } = await withTimeout(inline()).catch((other) => {
      // A failed chunk gives no reason.
      throw error instanceof Unreachable ? error : new Unreachable(`${error}; ${other}`);
    });
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
}

/** A hint for a module that does not compile or is missing. `file`: its name. */
function hintFor(error: unknown, file: string): string {
  const message = String(error);
  if (/unsafe-eval|CSP|Content Security/.test(message)) return "allow wasm-unsafe-eval in the page's content security policy (script-src)";
  if (/embedder|disallowed/.test(message)) return `this runtime wants the compiled module: import it (rejoin/${file}) and give it as the option wasm`;
  return `the option wasm says where ${file} is, where it is not beside the script`;
}

/** Loads one module, shared by all clients. */
export class Loader {
  isLoaded = false;
  #trying: Promise<void> | undefined;

  constructor(
    readonly load?: Load,
    readonly start?: (module: WebAssembly.Module) => void,
    readonly file = "",
  ) {}

  /** One attempt, shared by concurrent callers. Rejects with `Unreachable` if a later attempt may succeed. */
  try(from: WasmSource | undefined): Promise<void> {
    return (this.#trying ??= this.run(from).finally(() => (this.#trying = undefined)));
  }

  async run(from: WasmSource | undefined): Promise<void> {
    if (this.isLoaded) return;
    if (typeof WebAssembly == "undefined") {
      const hint = "React Native's engine has none: run this in a WebView";
      throw new RejoinError("no_webassembly", "this runtime has no WebAssembly", hint);
    }
    try {
      this.start!(
        from instanceof WebAssembly.Module ? from
        : from == undefined || typeof from == "string" || "href" in from ? await this.load!(from)
        : await WebAssembly.compile(from as BufferSource),
      );
      this.isLoaded = true;
    } catch (cause) {
      if (cause instanceof Unreachable) throw cause;
      throw new RejoinError("wasm_failed", `the WebAssembly module did not load: ${(cause as Error)?.message ?? cause}`, hintFor(cause, this.file), { cause });
    }
  }
}
