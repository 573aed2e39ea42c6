import { follower } from "./follow.js";

async function fetched(from: string | URL): Promise<WebAssembly.Module> {
  const response = await fetch(from);
  if (!response.ok) throw new Error(`${response.status} for ${response.url}`);
  // Not compileStreaming: it refuses a server that does not know the file's type.
  return WebAssembly.compile(await response.arrayBuffer());
}

export const follow = follower(async (from) => {
  if (from) return fetched(from);
  try {
    // Bundlers that know this form take the file along.
    return await fetched(new URL("./rejoin-feed.wasm", import.meta.url));
  } catch (error) {
    // Others do not: its bytes in a chunk that is loaded only now.
    const { bytes } = await import("./feed-inline.js");
    return WebAssembly.compile(bytes()).catch(() => {
      throw error;
    });
  }
});

export * from "./exports.js";
