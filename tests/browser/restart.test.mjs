// A planned restart behind one address: the old process drains while the new one takes over, with a log of its own.

import assert from "node:assert/strict";
import { connect as dial, createServer } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { RejoinServer } from "../interop/processes.mjs";
import { installed } from "./installed.mjs";
import { listening } from "./site.mjs";

const { connect } = await installed("node.js");

/** One address for two servers, the first of which is further away: its answers take longer. */
async function address(t, first, delay) {
  const sockets = new Set();
  let port = first;
  const proxy = createServer((client) => {
    const server = dial(port, "127.0.0.1");
    const isFar = port == first;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => {});
    }
    client.on("data", (data) => server.write(data));
    client.on("close", () => server.destroy());
    server.on("data", (data) => (isFar ? setTimeout(() => client.write(data), delay) : client.write(data)));
    server.on("end", () => setTimeout(() => client.end(), isFar ? delay : 0));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { url: `ws://127.0.0.1:${await listening(t, proxy)}/ws`, passOnTo: (next) => (port = next) };
}

test("every send around a planned restart is acknowledged, though the new process has another log", async (t) => {
  const options = ["--listen", "127.0.0.1:0", "--drain", "10s", "--rate", "100000"];
  const old = await RejoinServer.start(t, ...options);
  const one = await address(t, old.port, 40);
  const next = await RejoinServer.start(t, ...options);
  const clients = await Promise.all(
    Array.from({ length: 10 }, (_, number) => connect(one.url, { webSocket: WebSocket, token: `u${number}`, rooms: [`r${number}`] })),
  );
  t.after(() => Promise.all(clients.map((client) => client.close())));
  await Promise.all(clients.map((client) => client.ready()));
  const outcomes = {};
  let isOver = false;
  const talks = clients.map(async (client, number) => {
    for (let count = 0; !isOver; count++) {
      const sent = client.send(`r${number}`, String(count)).then(({ status }) => status, ({ outcome, code }) => `${outcome} ${code}`);
      sent.then((outcome) => (outcomes[outcome] = (outcomes[outcome] ?? 0) + 1));
      if (client.state == "closed") break;
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (isOver) await sent;
    }
  });
  one.passOnTo(next.port);
  old.kill("SIGTERM");
  await old.exited();
  for (const [number, client] of clients.entries()) await client.send(`r${number}`, "after");
  isOver = true;
  await Promise.all(talks);
  assert.deepEqual(Object.keys(outcomes), ["acked"], JSON.stringify(outcomes));
});
