import { endpoint } from "../endpoint.js";
import type { UrlLike } from "../types.js";

/** The address of the engine, as one of a WebSocket. A token in it is taken out and returned apart. */
export function engine(address: string | UrlLike): [url: URL, token: string | null] {
  const [url, token] = endpoint(address);
  url.pathname = url.pathname == "/" ? "/socket.io/" : url.pathname.replace(/\/?$/, "/");
  for (const [name, value] of [["EIO", "4"], ["transport", "websocket"]] as const) {
    if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  return [url, token];
}
