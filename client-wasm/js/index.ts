import { connector } from "./connect.js";

async function fetched(from: string | URL): Promise<WebAssembly.Module> {
  const response = await fetch(from);
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  // Not compileStreaming: it refuses a server that does not know the file's type.
  return WebAssembly.compile(await response.arrayBuffer());
}

export const connect = connector(async (from) => {
  if (from) return fetched(from);
  try {
    // Bundlers that know this form take the file along.
    return await fetched(new URL("./rejoin.wasm", import.meta.url));
  } catch (error) {
    // Others do not: the same bytes, a third larger, in a chunk that is loaded only now.
    const { bytes } = await import("./inline.js");
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
}, async (address) => (await import("./store.js")).open(address), async (...args) => (await import("./tabs.js")).share(...args));

export * from "./exports.js";
