// Our server over TLS, judged by Node's own https and by the npm packages ws and socket.io-client.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import WebSocket from "ws";
import { inTime } from "./journal.mjs";
import { RejoinServer } from "./processes.mjs";

// A certificate of localhost and 127.0.0.1 that signs itself, and its key: they protect nothing.
const path = (name) => fileURLToPath(new URL(`tls/${name}`, import.meta.url));
const ca = readFileSync(path("certificate.pem"));

const start = (t) =>
  RejoinServer.start(
    t,
    ...["--listen", "127.0.0.1:0", "--tls-cert", path("certificate.pem"), "--tls-key", path("key.pem")],
  );

describe("our server over TLS", { concurrency: 2 }, () => {
  it("serves a WebSocket to whoever believes its certificate, and to nobody else", async (t) => {
    const server = await start(t);
    const socket = new WebSocket(`${server.url}?ext=1&token=alice`, { ca });
    t.after(() => socket.terminate());
    const hello = new Promise((resolve, reject) => socket.on("message", resolve).on("error", reject));
    assert.equal(JSON.parse(await inTime(hello, "hello")).userId, "alice");
    const stranger = new WebSocket(`${server.url}?token=bob`);
    const refused = new Promise((resolve) => stranger.on("error", resolve));
    assert.match((await inTime(refused, "the refusal")).message, /self[- ]signed/);
  });

  it("serves a feed over https", async (t) => {
    const server = await start(t);
    const url = `${server.url.replace("wss:", "https:").replace("/ws", "")}/rooms/lobby/events?token=alice`;
    const answer = new Promise((resolve, reject) => {
      const request = get(url, { ca, agent: false }, resolve).on("error", reject);
      t.after(() => request.destroy());
    });
    const response = await inTime(answer, "the feed");
    assert.equal(response.statusCode, 200);
    const first = new Promise((resolve) => response.on("data", resolve).on("error", () => {}));
    assert.match(String(await inTime(first, "its first block")), /^retry: \d+\n/);
  });

  for (const transport of ["polling", "websocket"]) {
    it(`serves Socket.IO by ${transport}`, async (t) => {
      const server = await start(t);
      const url = server.url.replace("wss:", "https:").replace("/ws", "");
      const socket = io(url, { ca, transports: [transport], auth: { token: "alice" }, forceNew: true });
      t.after(() => socket.close());
      const connected = new Promise((resolve, reject) => {
        socket.on("connect", resolve).on("connect_error", reject);
      });
      await inTime(connected, "the connection");
      const joined = await inTime(socket.emitWithAck("join_room", { roomId: "lobby" }), "the join");
      assert.equal(joined.ok, true);
    });
  }
});
