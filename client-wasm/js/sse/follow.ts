import { initSync } from "../../pkg/rejoin-feed.js";
import { once, type Load } from "../loading.js";
import { Feed } from "./feed.js";
import type { FollowOptions } from "./types.js";

/** How the package is loaded is all that differs between a browser and Node. */
export function follower(load: Load) {
  const start = once(load, (module) => initSync({ module }), "rejoin-feed.wasm");

  /**
   * Reads a room by server-sent events, from `rooms/ROOM/events` below the address. Resolves as soon as it runs: it
   * dials in the background, and works offline. Rejects on bad arguments, and when the WebAssembly module cannot be
   * loaded.
   */
  return async function follow(url: string | URL, options: FollowOptions): Promise<Feed> {
    await start(options.wasm);
    return new Feed(url, options);
  };
}
