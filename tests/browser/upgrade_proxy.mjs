// A web server for a page and, below /socket.io/ and /rooms/, a proxy that lets no WebSocket through until it is told to, as some do.

import { createServer, request } from "node:http";
import { connect } from "node:net";
import { listening, serveFile } from "./site.mjs";

export class UpgradeProxy {
  /** What came for the server, in order: `upgrade`, or a request's method. */
  engine = [];
  /** The target of each of them. */
  targets = [];
  /** Header fields of each of them. */
  headers = [];
  /** WebSockets that are open. */
  open = 0;
  /** Upgrades that are refused before others are let through. */
  refused = Infinity;
  /** How. */
  refusal = "400 Bad Request";
  /** Header fields of each answer. */
  answers = {};
  #frozen = false;
  #connections = new Set();
  #wake = [];

  static async start(t, port, root, headers = {}) {
    const proxy = new UpgradeProxy();
    const server = createServer((incoming, answer) => {
      if (/^\/(socket\.io|rooms)\//.test(incoming.url)) return proxy.#pass(incoming, answer, port);
      return serveFile(root ?? "/nowhere", incoming, answer, headers);
    });
    server.on("upgrade", (incoming, client, head) => {
      proxy.#note("upgrade", incoming);
      client.on("error", () => {});
      if (proxy.refused-- > 0) return client.end(`HTTP/1.1 ${proxy.refusal}\r\nConnection: close\r\n\r\n`);
      const upstream = connect(port, "127.0.0.1");
      upstream.on("error", () => client.destroy());
      const fields = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      upstream.write(`GET ${incoming.url} HTTP/1.1\r\n${fields.join("")}\r\n`);
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
      proxy.open += 1;
      client.on("close", () => {
        proxy.open -= 1;
        upstream.destroy();
      });
    });
    server.on("connection", (client) => {
      proxy.#connections.add(client);
      client.on("close", () => proxy.#connections.delete(client));
    });
    proxy.url = `http://127.0.0.1:${await listening(t, server)}`;
    return proxy;
  }

  #note(what, { headers, url }) {
    this.engine.push(what);
    this.targets.push(url);
    this.#wake.splice(0).forEach((wake) => wake());
    this.headers.push(headers);
  }

  #pass(incoming, answer, port) {
    this.#note(incoming.method, incoming);
    if (this.#frozen) return;
    const { method, headers, url } = incoming;
    const upstream = request({ port, host: "127.0.0.1", method, headers, path: url }, (response) => {
      answer.writeHead(response.statusCode, { ...response.headers, ...this.answers });
      response.on("error", () => answer.destroy());
      response.pipe(answer);
    });
    upstream.on("error", () => answer.destroy());
    answer.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  }

  /** Waits until this is so of what has come. */
  async until(isSo) {
    while (!isSo()) await new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Ends every connection. */
  cut() {
    for (const client of this.#connections) client.destroy();
  }

  /** Answers nothing from now on. */
  freeze() {
    this.#frozen = true;
  }
}
