// Ports for programs that have to be told where to listen.

import { once } from "node:events";
import net from "node:net";

/** A port on which nothing listens. */
export async function freePort() {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}
