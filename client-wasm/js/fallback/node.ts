// Entry for Node and for other runtimes without pages (dist/fallback-node.js).
import { withStatus } from "../client/node_options.js";
import { chooser } from "./choose.js";
import * as streams from "./streams.js";
import type { FallbackOptions, WebSocketConstructor } from "./types.js";

const choose = chooser({ load: async () => streams });

/** Statuses with which something on the way may refuse an upgrade: no word of the server's, and no reason to give up. */
const mayBeBlocked = (status: number): boolean => [400, 405, 426].includes(status) || (status >= 500 && status != 503);

export const webSocketOrEvents: typeof choose = (options?: FallbackOptions): WebSocketConstructor => {
  const { webSocket } = options ?? {};
  if (typeof webSocket != "function") return choose(options);
  return choose({ ...options, webSocket: withStatus(webSocket, (status) => (mayBeBlocked(status) ? 1006 : status)) });
};

export * from "./exports.js";
