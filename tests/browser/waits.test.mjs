// The waits of an application: the outcome of a join, messages one by one, the first event of a kind. Each wait ends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { installed } from "./installed.mjs";
import { listening } from "./site.mjs";

const { connect, RejoinError } = await installed("node.js");
const { FakeServer, VirtualClock } = await installed("testing.js");
const { connect: socketIo } = await installed("socketio-node.js");
const { follow } = await installed("sse-node.js");

/** Every dial fails. */
class Unreachable extends EventTarget {
  constructor() {
    super();
    queueMicrotask(() => this.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "" })));
  }
  send() {}
  close() {}
}

async function client(t, options = {}, serving = {}) {
  const server = new FakeServer(serving);
  const client = await connect(server.url, { ...server.options(), token: "alice", ...options });
  t.after(() => server.clock.until(client.close({ timeout: 0 })));
  return { server, client, clock: server.clock };
}

const fails = (promise, code) => assert.rejects(promise, (error) => (error instanceof RejoinError && error.code == code) || assert.fail(error));

test("a join resolves with what the server says of it", async (t) => {
  const { server, client: alice, clock } = await client(t);
  server.enter("lobby", "bob");
  assert.deepEqual(await clock.until(alice.join("lobby")), {
    room: "lobby", recovered: false, replayed: 0, reason: "fresh", members: ["alice", "bob"], memberCount: undefined,
  });
  assert.deepEqual(await clock.until(alice.join("lobby")), { room: "lobby" }, "it is joined already");
  const { client: carol, clock: hers } = await client(t, { protocol: "plain" }, { extended: false });
  assert.deepEqual(await hers.until(carol.join("lobby")), { room: "lobby" });
});

test("a join that is refused for good, or left first, rejects, and does no harm where nobody looks", async (t) => {
  const { server, client: alice, clock } = await client(t);
  server.refuseJoin("forbidden", { room: "secret", times: 2 });
  await fails(clock.until(alice.join("secret")), "forbidden");
  alice.join("secret");
  server.hold();
  const left = alice.join("later");
  alice.leave("later");
  server.release();
  await fails(clock.until(left), "left");
  await clock.advance(10_000);
});

test("a join that is refused for now waits for the next answer", async (t) => {
  const { server, client: alice, clock } = await client(t);
  server.refuseJoin("room_full", { retry: true, retryAfterMs: 5000 });
  const from = clock.performance.now();
  await clock.until(alice.join("lobby"));
  assert.ok(clock.performance.now() - from >= 5000);
});

test("every wait ends with its client", async (t) => {
  const { server, client: alice, clock } = await client(t);
  server.stop();
  const waits = [alice.join("lobby"), alice.ready(), alice.join("lobby", { signal: new AbortController().signal })];
  const ends = Promise.all(waits.map((wait) => fails(wait, "closed")));
  const messages = alice.messages("lobby").next();
  await clock.until(alice.close());
  await ends;
  assert.equal((await messages).done, true);
  await fails(alice.join("lobby"), "closed");
});

test("a signal ends every wait with its reason, and leaves the rest as it is", async (t) => {
  const { server, client: alice, clock } = await client(t);
  server.stop();
  await clock.advance(0);
  for (const early of [true, false]) {
    const controller = new AbortController();
    const { signal } = controller;
    const reason = new Error("enough");
    if (early) controller.abort(reason);
    const waits = [
      alice.join(`early ${early}`, { signal }), alice.ready({ signal }), alice.messages("lobby", { signal }).next(),
    ];
    if (!early) controller.abort(reason);
    await Promise.all(waits.map((wait) => assert.rejects(wait, reason)));
  }
  assert.equal(alice.rooms.has("early true"), false, "not even asked for");
  assert.equal(alice.rooms.get("early false"), "joining", "wanted all the same");
  const heard = [];
  const controller = new AbortController();
  alice.on("state", ({ state }) => heard.push(state), { signal: controller.signal });
  controller.abort();
  server.start();
  await clock.until(alice.ready());
  assert.deepEqual(heard, []);
});

test("a close that waits for sends ends when its signal is aborted", async (t) => {
  const { server, client: alice, clock } = await client(t, { rooms: ["lobby"] });
  await clock.until(alice.ready());
  server.hold();
  const sent = alice.send("lobby", "x");
  const unknown = assert.rejects(sent, { outcome: "unknown" });
  const controller = new AbortController();
  const from = clock.performance.now();
  const closed = alice.close({ timeout: 60_000, signal: controller.signal });
  controller.abort();
  await clock.until(closed);
  await unknown;
  assert.ok(clock.performance.now() - from < 5000);
});

test("messages of a room come one by one, none is lost between two of them", async (t) => {
  const { server, client: alice, clock } = await client(t, { rooms: ["lobby", "other"] });
  await clock.until(alice.ready());
  const messages = alice.messages("lobby");
  for (const content of ["1", "2", "3"]) server.say("lobby", "bob", content);
  server.say("other", "bob", "not here");
  await clock.advance(0);
  const heard = [];
  for await (const { content } of messages) {
    heard.push(content);
    if (content == "2") server.say("lobby", "bob", "4");
    if (heard.length == 4) break;
  }
  assert.deepEqual(heard, ["1", "2", "3", "4"]);
  assert.deepEqual(await messages.next(), { done: true, value: undefined }, "a loop that is left ends it");
});

test("an iteration ends when the room is left, and throws when the server takes it away", async (t) => {
  const { server, client: alice, clock } = await client(t, { rooms: ["lobby", "secret"] });
  await clock.until(alice.ready());
  const heard = [];
  const over = (async () => {
    for await (const { content } of alice.messages("lobby")) heard.push(content);
  })();
  const taken = alice.messages("secret").next();
  server.say("lobby", "bob", "last");
  await clock.advance(0);
  alice.leave("lobby");
  server.remove("secret", "alice");
  await fails(clock.until(taken), "forbidden");
  await clock.until(over);
  assert.deepEqual(heard, ["last"]);
});

test("an iteration that is begun after the end is over at once, and after a failure throws why", { timeout: 20_000 }, async (t) => {
  const { client: alice, clock } = await client(t, { rooms: ["lobby"] });
  await clock.until(alice.ready());
  await clock.until(alice.close());
  assert.deepEqual(await alice.messages("lobby").next(), { done: true, value: undefined });
  const { client: bob, clock: his } = await client(t, { maxAttempts: 1, webSocket: Unreachable });
  await his.advance(120_000);
  assert.equal(bob.state, "failed");
  await fails(bob.messages("lobby").next(), "gave_up");
  const feed = await follow("http://127.0.0.1:9/", { room: "lobby" });
  feed.close();
  assert.deepEqual(await feed.messages().next(), { done: true, value: undefined });
});

test("what has given up says why its last attempt failed", { timeout: 20_000 }, async (t) => {
  const options = () => ({ clock: new VirtualClock(), maxAttempts: 1 });
  const failed = async (started, { clock }) => {
    const client = await started;
    t.after(() => client.close());
    for (let minutes = 0; client.state != "failed" && minutes < 10; minutes++) {
      await clock.advance(60_000);
      // What fetch answers comes by itself.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { code, lastCode, number, willRetry } = client.status.cause;
    return { code, lastCode, number, willRetry };
  };
  const end = { code: "gave_up", number: undefined, willRetry: false };
  const rooms = options();
  assert.deepEqual(await failed(connect("ws://127.0.0.1:9/ws", { ...rooms, webSocket: Unreachable }), rooms), { ...end, lastCode: "unreachable" });
  const socketio = options();
  assert.deepEqual(await failed(socketIo("http://127.0.0.1:9", { ...socketio, webSocket: Unreachable, transports: "websocket" }), socketio), { ...end, lastCode: "unreachable" });
  const feed = options();
  const fetch = async () => new Response("", { status: 503 });
  assert.deepEqual(await failed(follow("http://127.0.0.1:9/", { ...feed, room: "lobby", fetch }), feed), { ...end, lastCode: "http", number: 503 });
});

test("an iteration that falls too far behind says so", async (t) => {
  const { server, client: alice, clock } = await client(t, { rooms: ["lobby"] }, { limits: { contentBytes: 1 << 20 } });
  await clock.until(alice.ready());
  const messages = alice.messages("lobby");
  for (let count = 0; count < 33; count++) server.say("lobby", "bob", "x".repeat(1 << 19));
  await clock.advance(0);
  await assert.rejects(async () => {
    for await (const { content } of messages) assert.equal(content.length, 1 << 19);
  }, { code: "lagged" });
});

test("once is once, off ends what a listener began, and rooms begin where they are told to", async (t) => {
  const server = new FakeServer();
  for (const content of ["1", "2", "3"]) server.say("lobby", "bob", content);
  const alice = await connect(server.url, { ...server.options(), token: "alice", rooms: [{ room: "lobby", history: 2 }] });
  t.after(() => server.clock.until(alice.close({ timeout: 0 })));
  const [first, all] = [[], []];
  const listener = ({ content }) => all.push(content);
  alice.once("message", ({ content }) => first.push(content));
  for (const _ of [1, 2]) alice.on("message", listener);
  const never = ({ content }) => first.push(content);
  alice.once("message", never);
  alice.off("message", never);
  await server.clock.until(alice.ready());
  await server.clock.advance(0);
  assert.deepEqual([first, all], [["2"], ["2", "2", "3", "3"]]);
  alice.off("message", listener);
  server.say("lobby", "bob", "4");
  await server.clock.advance(0);
  assert.equal(all.length, 4);
});

test("nothing is sent once close was called, and that is told as certain", async (t) => {
  const refused = { outcome: "failed", code: "closed" };
  const { server, client: alice, clock } = await client(t, { rooms: ["lobby"], frames: true });
  await clock.until(alice.ready());
  const before = alice.send("lobby", "before");
  const closed = alice.close();
  const after = [alice.send("lobby", "after"), alice.frames.send({ type: "after" })].map((sent) => assert.rejects(sent, refused));
  assert.equal((await clock.until(before)).status, "acked");
  await clock.until(closed);
  await Promise.all(after);
  assert.deepEqual(server.room("lobby").log.map(({ content }) => content), ["before"]);
  const other = await client(t, { rooms: ["lobby"] });
  await other.clock.until(other.client.ready());
  const inside = new Promise((resolve) => {
    other.client.once("message", () => {
      void other.client.close();
      resolve(other.client.send("lobby", "inside"));
    });
  });
  other.server.say("lobby", "bob", "go");
  await assert.rejects(other.clock.until(inside), refused);
  assert.deepEqual(other.server.room("lobby").log.map(({ content }) => content), ["go"]);
});

test("a time of 0 is refused by name, and so is data that would not arrive as it is", async (t) => {
  const { client: alice, server } = await client(t, { rooms: ["lobby"], frames: true, correlate: "id" });
  const wrong = (promise, hint) => assert.rejects(promise, (error) => /^bad_/.test(error.code) && hint.test(error.hint) || assert.fail(error));
  await wrong(alice.send("lobby", "x", { timeout: 0 }), /milliseconds, a number from 1/);
  await wrong(alice.frames.send({ type: "x" }, { timeout: 0 }), /milliseconds, a number from 1/);
  await wrong(alice.frames.request({ type: "x" }, { timeout: 0 }), /milliseconds, a number from 1/);
  await wrong(connect(server.url, { ...server.options(), sendTtl: 0 }), /milliseconds, a number from 1/);
  await wrong(alice.send("lobby", "x", { data: null }), /leave it out/);
  assert.throws(() => alice.signal("lobby", "typing", null), { code: "bad_argument" });
  await wrong(alice.send("lobby", "x", { data: [undefined] }), /plain data/);
  // eslint-disable-next-line no-sparse-arrays
  await wrong(alice.send("lobby", "x", { data: { list: [, 1] } }), /plain data/);
});

test("after three dials that did not open a token function is asked again, and not more often", async (t) => {
  const asked = [];
  const { server, client: alice, clock } = await client(t, { token: ({ rejected }) => (asked.push(rejected), `t${asked.length}`) });
  await clock.until(alice.ready());
  server.stop();
  const failed = () => server.dials - 1;
  while (failed() < 8) await clock.advance(1000);
  assert.deepEqual(asked, [false, true, true]);
  server.start();
  await clock.until(alice.ready());
  assert.deepEqual(server.connections.map(({ user }) => user), ["t3"]);
  await clock.advance(60_000);
  assert.equal(asked.length, 3);
});

test("in Node a dial that fails says why, and a 401 asks for another token at once", async (t) => {
  const http = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const dials = [];
  let good = "t1";
  http.on("upgrade", (request, socket, head) => {
    const token = new URL(request.url, "http://h").searchParams.get("token");
    dials.push(token);
    if (token != good) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, () => {});
  });
  const port = await listening(t, http);
  let count = 0;
  const client = await connect(`ws://127.0.0.1:${port}/`, { webSocket: WebSocket, token: () => `t${++count}`, protocol: "plain" });
  t.after(() => client.close({ timeout: 0 }));
  const causes = [];
  client.on("state", ({ cause }) => cause && causes.push(cause.text ?? cause.code));
  await client.ready();
  good = "t2";
  for (const socket of sockets.clients) socket.terminate();
  await new Promise((resolve) => client.once("state", resolve));
  await client.ready();
  assert.deepEqual(dials, ["t1", "t1", "t2"]);
  assert.ok(causes.includes("the server answered HTTP 401"), causes.join());
});
