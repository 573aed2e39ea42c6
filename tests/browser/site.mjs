// A web server for a folder, and a proxy that does to connections what networks do.

import { once } from "node:events";
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { extname, join, normalize } from "node:path";

const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** Lets a server listen on a free port, which it gives, until the test is over. */
export async function listening(t, server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return server.address().port;
}

/** Answers with the file of `root` that is asked for. */
export function serveFile(root, request, response, headers = {}) {
  const name = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
  const path = join(root, name.endsWith("/") ? `${name}index.html` : name);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": types[extname(path)] ?? "text/plain", "cache-control": "no-cache", ...headers });
  return createReadStream(path).pipe(response);
}

/** Serves `root` on a free port; gives the address. */
export async function site(t, root, headers = {}) {
  return `http://127.0.0.1:${await listening(t, createServer((request, response) => serveFile(root, request, response, headers)))}`;
}

/** Passes connections on to a port of this machine until it is told otherwise. */
export class Proxy {
  #server;
  #pairs = new Set();
  #port;
  #refusing = false;
  #frozen = false;
  /** Connections that were passed on. */
  accepted = 0;

  static async start(t, port) {
    const proxy = new Proxy();
    proxy.passOnTo(port);
    proxy.#server = createTcpServer((client) => {
      if (proxy.#refusing) return client.resetAndDestroy();
      proxy.accepted += 1;
      const server = connect(proxy.#port, "127.0.0.1");
      const pair = [client, server];
      proxy.#pairs.add(pair);
      for (const [from, to] of [pair, pair.toReversed()]) {
        from.on("data", (data) => proxy.#frozen || to.write(data));
        from.on("error", () => {});
        from.on("close", () => {
          to.destroy();
          proxy.#pairs.delete(pair);
        });
      }
    });
    t.after(() => proxy.cut());
    await listening(t, proxy.#server);
    return proxy;
  }

  get url() {
    return `ws://127.0.0.1:${this.#server.address().port}/ws`;
  }

  /** Where connections go that come from now on. */
  passOnTo(port) {
    this.#port = port;
  }

  /** How many are open. */
  get open() {
    return this.#pairs.size;
  }

  /** Resets every connection. */
  cut() {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Resets them, and whoever comes, until `allow`. */
  refuse() {
    this.#refusing = true;
    this.cut();
  }

  allow() {
    this.#refusing = false;
  }

  /** Swallows everything in both directions. */
  freeze() {
    this.#frozen = true;
  }

  thaw() {
    this.#frozen = false;
  }
}
