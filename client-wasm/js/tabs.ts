import type { Connection } from "./connection.js";
import { endpoint } from "./endpoint.js";
import { Stay } from "./stay.js";
import { withTickets } from "./tickets.js";
import type { Address, Options, WebSocketConstructor } from "./types.js";

/** Tabs with another version of this have a channel and a leader of their own. */
const VERSION = 1;

/**
 * The same options with sockets on one connection for all tabs that connect to the same addresses in the same way.
 * Unchanged where the browser has no means for it. Before that, with `ticketUrl`, the same options with a ticket for each dial.
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
  const urls = (Array.isArray(url) ? (url as readonly string[]) : [url as string]).map((url) => endpoint(url)[0].href);
  // Who may share must be in it: the tabs of one user, that speak the same protocol.
  const name = JSON.stringify(["rejoin tabs", VERSION, options.shareTabs, options.protocol == "plain", ...urls]);
  try {
    // There, but not to be used where storage is blocked.
    await navigator!.locks.query();
    new BroadcastChannel!(name).close();
  } catch {
    return options;
  }
  let stay: Stay | undefined;
  const Shared = function (url: string) {
    if (!stay || stay.isOver) stay = new Stay(name, real!, connection);
    return stay.dial(url);
  };
  return { ...options, webSocket: real && (Shared as unknown as WebSocketConstructor) };
}
