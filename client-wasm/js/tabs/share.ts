// Puts a client on the connection that all tabs of a user share, and gives it tickets (options shareTabs and ticketUrl).
import type { Connection } from "../client/connection.js";
import { parseUrl } from "../client/url.js";
import { Tab } from "./tab.js";
import { withTickets } from "../client/tickets.js";
import type { Address, Options, WebSocketConstructor } from "../types.js";

/** Tabs with another version of this protocol use a separate channel and leader. */
const VERSION = 1;

/**
 * Returns options whose sockets share one connection for all tabs that connect to the same addresses in the same way.
 * Unchanged if the browser lacks the APIs. With `ticketUrl`, each dial has a ticket.
 */
export async function share(
  url: Address,
  given: Options,
  connection: typeof Connection,
): Promise<Options> {
  const options = given.ticketUrl ? withTickets(given) : given;
  if (!options.shareTabs) return options;
  const { navigator, BroadcastChannel, WebSocket } = globalThis as Partial<typeof globalThis>;
  const real = options.webSocket ?? (WebSocket as WebSocketConstructor | undefined);
  const urls = (Array.isArray(url) ? (url as readonly string[]) : [url as string]).map((url) => parseUrl(url)[0].href);
  // The name contains what must be equal: the user, the protocol and the addresses.
  const name = JSON.stringify(["rejoin tabs", VERSION, options.shareTabs, options.protocol == "plain", ...urls]);
  try {
    // The APIs exist but throw where storage is blocked.
    await navigator!.locks.query();
    new BroadcastChannel!(name).close();
  } catch {
    return options;
  }
  let tab: Tab | undefined;
  const SharedSocket = function (url: string) {
    if (!tab || tab.isEnded) tab = new Tab(name, real!, connection);
    return tab.dial(url);
  };
  return { ...options, webSocket: real && (SharedSocket as unknown as WebSocketConstructor) };
}
