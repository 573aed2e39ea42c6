// Dials of the package in Node with the package ws: what a server answers to the upgrade, or to the question for a ticket, is told and
// obeyed as natively; and what can never work is told at once.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { installed } from "./installed.mjs";
import { listening } from "./site.mjs";

const { connect } = await installed("node.js");
const { connect: connectSocketIo } = await installed("socketio-node.js");
const { follow } = await installed("sse-node.js");

/** A server that answers every request, upgrades too, with this status. */
async function refusing(t, status, headers = {}) {
  let requests = 0;
  const server = createServer((_, response) => {
    requests++;
    response.writeHead(status, headers).end("no");
  });
  server.on("upgrade", (_, socket) => {
    requests++;
    const fields = Object.entries({ ...headers, "content-length": 2 }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} No\r\n${fields.join("")}\r\nno`);
  });
  const port = await listening(t, server);
  return { port, get requests() { return requests; } };
}

/** A room server, which says nothing. */
async function silent(t) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await new Promise((resolve) => server.on("listening", resolve));
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return { port: server.address().port, server };
}

/** The states of a client up to the first that `is` so. */
async function states(t, client, is) {
  t.after(() => client.close({ timeout: 0 }));
  const seen = [client.status];
  while (!is(seen.at(-1))) seen.push(await new Promise((resolve) => client.once("state", resolve)));
  return seen;
}

const failed = ({ state }) => state == "failed";

test("a refused upgrade is told with its HTTP status, and ends the dials where natively it does", async (t) => {
  for (const status of [401, 403]) {
    const { port } = await refusing(t, status);
    const client = await connect(`ws://127.0.0.1:${port}/`, { webSocket: WebSocket, token: "t" });
    const { cause } = (await states(t, client, failed)).at(-1);
    assert.deepEqual([cause.code, cause.number, cause.text], ["unauthorized", status, `the server answered HTTP ${status}`]);
    assert.equal(client.diagnostics().connections, 0);
  }
  for (const status of [404, 410]) {
    const server = await refusing(t, status);
    const client = await connect(`ws://127.0.0.1:${server.port}/`, { webSocket: WebSocket });
    const { cause } = (await states(t, client, failed)).at(-1);
    assert.deepEqual([cause.code, cause.number], ["http", status]);
    assert.equal(server.requests, 3, "an address that answers so three times is a wrong one");
  }
});

test("a server that asks to be left alone is, for as long as it says", async (t) => {
  const date = Date.UTC(2026, 0);
  const fields = { date: new Date(date).toUTCString(), "retry-after": new Date(date + 40_000).toUTCString() };
  for (const [status, headers] of [[429, { "retry-after": "40" }], [503, { "retry-after": "40" }], [503, fields]]) {
    const { port } = await refusing(t, status, headers);
    const client = await connect(`ws://127.0.0.1:${port}/`, { webSocket: WebSocket });
    const { cause, retryAt } = (await states(t, client, ({ cause }) => cause)).at(-1);
    assert.deepEqual([cause.code, cause.number], ["http", status]);
    assert.ok(retryAt - Date.now() > 30_000, `${retryAt - Date.now()} ms`);
  }
});

test("the token function is asked once more after a 401, and a better token is used", async (t) => {
  const asked = [];
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", verifyClient: ({ req }) => /token=good/.test(req.url) });
  await new Promise((resolve) => server.on("listening", resolve));
  t.after(() => server.close());
  t.after(() => server.clients.forEach((socket) => socket.terminate()));
  const token = ({ rejected }) => {
    asked.push(rejected);
    return rejected ? "good" : "old";
  };
  const client = await connect(`ws://127.0.0.1:${server.address().port}/`, { webSocket: WebSocket, token });
  await states(t, client, ({ state }) => state == "connected");
  assert.deepEqual(asked, [false, true]);
});

test("of Socket.IO it is the same", async (t) => {
  for (const transports of ["websocket", "polling"]) {
    const { port } = await refusing(t, 401);
    const client = await connectSocketIo(`http://127.0.0.1:${port}`, { webSocket: WebSocket, token: "t", transports });
    const { cause } = (await states(t, client, failed)).at(-1);
    assert.deepEqual([cause.code, cause.number], ["unauthorized", 401], transports);
    const busy = await refusing(t, 503, { "retry-after": "40" });
    const waiting = await connectSocketIo(`http://127.0.0.1:${busy.port}`, { webSocket: WebSocket, transports });
    const { retryAt } = (await states(t, waiting, ({ cause }) => cause)).at(-1);
    assert.ok(retryAt - Date.now() > 30_000, transports);
  }
});

test("where no ticket is given no socket is opened, and the client is never connected", async (t) => {
  const rooms = await silent(t);
  for (const status of [401, 403]) {
    const tickets = await refusing(t, status);
    const ticketUrl = `http://127.0.0.1:${tickets.port}/tickets`;
    const client = await connect(`ws://127.0.0.1:${rooms.port}/`, { webSocket: WebSocket, token: "t", ticketUrl, rooms: ["r"] });
    const sent = client.send("r", "x").then(
      () => "sent",
      ({ outcome, code }) => `${outcome}: ${code}`,
    );
    const seen = await states(t, client, failed);
    assert.ok(!seen.some(({ state }) => state == "connected"), JSON.stringify(seen));
    assert.deepEqual([seen.at(-1).cause.code, seen.at(-1).cause.text], ["unauthorized", `no ticket: HTTP ${status}`]);
    assert.equal(client.diagnostics().connections, 0);
    await client.close({ timeout: 0 });
    assert.match(await sent, /^failed/);
  }
  assert.equal(rooms.server.clients.size, 0);
});

test("a ticket server that asks to be left alone is, and its next answer is used", async (t) => {
  const rooms = await silent(t);
  for (const [name, start] of [
    ["rooms", (options) => connect(`ws://127.0.0.1:${rooms.port}/`, options)],
    ["socketio", (options) => connectSocketIo(`http://127.0.0.1:${rooms.port}`, { ...options, transports: "websocket" })],
    ["sse", ({ ticketUrl, token }) => follow(`http://127.0.0.1:${rooms.port}`, { room: "r", ticketUrl, token })],
  ]) {
    const tickets = await refusing(t, 429, { "retry-after": "40" });
    const client = await start({ webSocket: WebSocket, token: () => "t", ticketUrl: `http://127.0.0.1:${tickets.port}/tickets` });
    const { state, cause, retryAt } = (await states(t, client, ({ cause }) => cause)).at(-1);
    assert.deepEqual([state, cause.number], ["reconnecting", 429], name);
    assert.ok(retryAt - Date.now() > 30_000, `${name}: ${retryAt - Date.now()} ms`);
    assert.equal(tickets.requests, 1, name);
  }
});

test("a client that fails at once says so when it can have listeners", async (t) => {
  const never = Object.assign(new Error("signed out"), { permanent: true });
  const throws = () => {
    throw never;
  };
  for (const [token, text] of [
    [() => undefined, "the token function did not give a text"],
    [throws, "signed out"],
    [async () => throws(), "signed out"],
  ]) {
    for (const start of [connect, connectSocketIo]) {
      const client = await (async () => await start("ws://127.0.0.1:9/", { webSocket: WebSocket, token }))();
      t.after(() => client.close());
      assert.equal(client.state, "connecting");
      const { state, cause } = await new Promise((resolve) => client.once("state", resolve));
      assert.deepEqual([state, cause.text], ["failed", text]);
    }
  }
});

test("a function auth that gives no object is told as what it is", async (t) => {
  for (const value of ["text", null, 5, []]) {
    const client = await connectSocketIo("http://127.0.0.1:9", { webSocket: WebSocket, auth: () => value });
    const { cause } = (await states(t, client, failed)).at(-1);
    assert.equal(cause.text, "the function auth did not give an object");
  }
});

test("an address of the module that Node cannot fetch is refused instead of being tried for ever", async () => {
  for (const wasm of ["nope.wasm", "./rejoin.wasm", "http://[", new URL("file:///tmp/rejoin.wasm")]) {
    for (const start of [
      () => connect("ws://127.0.0.1:9/", { webSocket: WebSocket, wasm }),
      () => connectSocketIo("http://127.0.0.1:9", { webSocket: WebSocket, wasm }),
      () => follow("http://127.0.0.1:9", { room: "r", wasm }),
    ]) {
      await assert.rejects(start, ({ code, message, hint }) => code == "bad_option" && /option wasm/.test(message) && /readFile/.test(hint));
    }
  }
});
