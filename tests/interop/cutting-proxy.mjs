// A TCP proxy that cuts connections when it is told to, or after so many bytes of the server's.

import { once } from "node:events";
import net from "node:net";

export class CuttingProxy {
  port;
  /** Connections that were cut after their bytes. */
  cuts = 0;
  #target;
  #listener;
  #pairs = new Set();
  #most = () => Infinity;
  #refuses = false;

  /** To this port, for test `t`. */
  static async start(t, target) {
    const proxy = new CuttingProxy();
    proxy.#target = target;
    proxy.#listener = net.createServer((client) => proxy.#carry(client)).listen(0, "127.0.0.1");
    t.after(() => {
      proxy.#listener.close();
      proxy.cut();
    });
    await once(proxy.#listener, "listening");
    proxy.port = proxy.#listener.address().port;
    return proxy;
  }

  #carry(client) {
    client.on("error", () => {});
    if (this.#refuses) return client.destroy();
    const server = net.connect(this.#target, "127.0.0.1");
    server.on("error", () => {});
    const pair = { client, server };
    this.#pairs.add(pair);
    let left = this.#most();
    const end = () => {
      client.destroy();
      server.destroy();
      this.#pairs.delete(pair);
    };
    client.on("data", (data) => server.write(data));
    server.on("data", (data) => {
      client.write(data.subarray(0, left));
      left -= data.length;
      if (left <= 0) {
        this.cuts++;
        client.end();
        end();
      }
    });
    client.on("close", () => pair.abandoned || end());
    server.on("close", end);
  }

  /** Cuts all connections. `quietly`: the server is not told, as when a client's network is gone. */
  cut({ quietly = false } = {}) {
    for (const pair of this.#pairs) {
      pair.abandoned = quietly;
      pair.client.destroy();
      if (!quietly) pair.server.destroy();
    }
    if (!quietly) this.#pairs.clear();
  }

  /** Cuts all, and lets nobody through until `open`. */
  close(how) {
    this.#refuses = true;
    this.cut(how);
  }

  open() {
    this.#refuses = false;
  }

  /** New connections are cut after as many bytes of the server's as `most` says each time. */
  cutAfter(most) {
    this.#most = most;
  }

  /** New connections go to this port from now on. */
  leadTo(target) {
    this.#target = target;
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }
}
