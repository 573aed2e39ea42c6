import { initSync } from "../../pkg/rejoin-feed.js";
import { abortable } from "../abort.js";
import type { Debugging } from "../debugging.js";
import { Loader, type Load } from "../loading.js";
import { begin } from "../reload.js";
import { withTicketsInHeader } from "../tickets.js";
import { base } from "./address.js";
import { checkOptions, Feed } from "./feed.js";
import type { FollowOptions, UrlLike } from "./types.js";

/** How the package is loaded is all that differs between a browser and Node. */
export function follower(load: Load, debugging: Debugging) {
  const loader = new Loader(load, (module) => initSync({ module }), "rejoin-feed.wasm");

  /**
   * Reads a room by server-sent events, from `rooms/ROOM/events` below the address. Resolves as soon as it runs: it
   * dials in the background, and works offline. Rejects on bad arguments, and when the WebAssembly module cannot be
   * loaded.
   */
  return async function follow(url: string | UrlLike, options: FollowOptions): Promise<Feed> {
    checkOptions(options);
    base(url);
    const given = options.ticketUrl ? withTicketsInHeader(options) : options;
    const debug = await abortable(begin(loader, options.wasm).then(() => debugging(options.debug)), options.signal);
    const feed = new Feed(url, given, loader);
    debug?.traceFeed(feed, options.clock);
    return feed;
  };
}
