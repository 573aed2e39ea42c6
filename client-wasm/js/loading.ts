import { RejoinError } from "./errors.js";

/** Gives the compiled module. */
export type Load = (from: string | URL | undefined) => Promise<WebAssembly.Module>;

async function fetched(from: string | URL): Promise<WebAssembly.Module> {
  const response = await fetch(from);
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  // Not compileStreaming: it refuses a server that does not know the file's type.
  return WebAssembly.compile(await response.arrayBuffer());
}

/**
 * From where the application says; else the file beside the script. Bundlers that know the form of `beside` take the file
 * along, others do not: then its bytes, in a chunk that is loaded only now.
 */
export async function found(
  from: string | URL | undefined,
  beside: () => URL,
  inline: () => Promise<{ bytes(): BufferSource }>,
): Promise<WebAssembly.Module> {
  if (from) return fetched(from);
  try {
    return await fetched(beside());
  } catch (error) {
    const { bytes } = await inline();
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
}

/** Loads a module once, however often it is asked for; again only after it has failed. `file`: which it is. */
export function once(load: Load, start: (module: WebAssembly.Module) => void, file: string) {
  let loading: Promise<void> | undefined;
  async function run(from: string | URL | BufferSource | WebAssembly.Module | undefined): Promise<void> {
    try {
      start(
        from instanceof WebAssembly.Module ? from
        : typeof from == "string" || from instanceof URL || from == undefined ? await load(from)
        : await WebAssembly.compile(from),
      );
    } catch (cause) {
      loading = undefined;
      const advice = `allow wasm-unsafe-eval in the content security policy; the option wasm says where ${file} is`;
      throw new RejoinError("wasm_failed", "the WebAssembly module did not load", advice, { cause });
    }
  }
  return (from: Parameters<typeof run>[0]) => (loading ??= run(from));
}
