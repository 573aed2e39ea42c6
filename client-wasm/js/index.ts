import { connector } from "./connect.js";

async function fetched(from: string | URL): Promise<WebAssembly.Module> {
  const response = await fetch(from);
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  // Not compileStreaming: it refuses a server that does not know the file's type.
  return WebAssembly.compile(await response.arrayBuffer());
}

export const connect = connector(async (from, stores) => {
  if (from) return fetched(from);
  try {
    // Bundlers that know this form take the file along.
    return await fetched(
      stores ? new URL("./rejoin-store.wasm", import.meta.url) : new URL("./rejoin.wasm", import.meta.url),
    );
  } catch (error) {
    // Others do not: the bytes of the one that can do both, a third larger, in a chunk that is loaded only now.
    const { bytes } = await import("./inline.js");
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
}, () => import("./store.js"), async (...args) => (await import("./tabs.js")).share(...args));

export * from "./exports.js";
