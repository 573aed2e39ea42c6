// follow() of `rejoin/sse`: loads the module and constructs the feed.
import { initSync } from "../../pkg/rejoin-feed.js";
import { abortable } from "../util/abort.js";
import type { LoadDebug } from "../client/load_part.js";
import { Loader, type Load } from "../wasm/load_wasm.js";
import { startLoading } from "../wasm/load_retry.js";
import { withTicketsInHeader } from "../client/tickets.js";
import { parseBaseUrl } from "./url.js";
import { checkOptions, Feed } from "./feed.js";
import type { FollowOptions, UrlLike } from "./types.js";

/** Loading differs between a browser and Node; everything else is the same. */
export function connector(load: Load, debugging: LoadDebug) {
  const loader = new Loader(load, (module) => initSync({ module }), "rejoin-feed.wasm");

  /**
   * Reads a room by server-sent events, from `rooms/ROOM/events` below the address. Resolves as soon as it runs: it
   * dials in the background, and works offline. Rejects on bad arguments, and when the WebAssembly module cannot be
   * loaded.
   */
  return async function follow(url: string | UrlLike, options: FollowOptions): Promise<Feed> {
    checkOptions(options);
    parseBaseUrl(url);
    const given = options.ticketUrl ? withTicketsInHeader(options) : options;
    const debug = await abortable(startLoading(loader, options.wasm).then(() => debugging(options.debug)), options.signal);
    const feed = new Feed(url, given, loader);
    debug?.traceFeed(feed, options.clock);
    return feed;
  };
}
