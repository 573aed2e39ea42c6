// Rooms read by server-sent events where no WebSocket opens (rejoin/fallback), in a real browser and in Node: nothing is lost or
// doubled on the way there and back, and what is sent waits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Pipe, RejoinServer } from "../interop/processes.mjs";
import { Journal } from "../interop/journal.mjs";
import { html } from "./builds.mjs";
import { installed } from "./installed.mjs";
import { project } from "./package.mjs";
import { browser, strict, Tab } from "./page.mjs";
import { UpgradeProxy } from "./upgrade_proxy.mjs";

const { connect } = await installed("node.js");
const { webSocketOrEvents } = await installed("fallback-node.js");
const { VirtualClock } = await installed("testing.js");

const EVENTS = ["state", "mode", "ready", "room", "joined", "message", "gap", "error"];

const script = `
import { connect } from "./node_modules/rejoin/dist/index.js";
import { webSocketOrEvents } from "./node_modules/rejoin/dist/fallback.js";
Object.assign(window, { clients: [], outcomes: [] });
window.start = async (name, url, { fallback, ...options }) => {
  const onReadOnly = (what) => window.tell({ client: name, event: "readOnly", what });
  const client = await connect(url, { ...options, webSocket: webSocketOrEvents({ onReadOnly, ...fallback }) });
  window.clients[name] = client;
  for (const event of ${JSON.stringify(EVENTS)}) client.on(event, (what) => window.tell({ client: name, event, what }));
};
window.sendLater = (name, text) => void window.clients[name].send("lobby", text).then(({ status }) => window.tell({ client: name, event: "sent", what: status }), ({ message }) => window.tell({ client: name, event: "sent", what: message }));
document.title = "loaded";
`;

/** A server, a proxy before it that refuses upgrades, and somebody who talks in its lobby without the proxy. */
async function rig(t, ...args) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", ...args);
  const root = project(t, { "index.html": html('<script type="module" src="page.js"></script>'), "page.js": script });
  const proxy = await UpgradeProxy.start(t, server.port, root, strict);
  const ada = new Pipe(t, server.url, "ada", "-r", "lobby");
  await ada.event(({ type }) => type == "joined", "the join");
  let number = 0;
  const say = async (...contents) => {
    for (const content of contents) {
      const ref = String(++number);
      ada.send("lobby", `${content}`, ref);
      assert.equal((await ada.delivery(ref)).event.status, "acked");
    }
  };
  return { server, proxy, say, address: `${proxy.url.replace("http", "ws")}/ws` };
}

async function page(t, proxy) {
  return Tab.open(t, await browser(t), proxy.url);
}

const contentsOf = (entries, name) => entries.filter(({ client, event }) => client == name && event == "message").map(({ what }) => what.content);
const gapsOf = (entries) => entries.filter(({ event }) => event == "gap");

test("where upgrades are refused rooms are read by streams, and what is sent waits for a WebSocket", async (t) => {
  const { proxy, say, address } = await rig(t);
  const tab = await page(t, proxy);
  await tab.start("bob", address, { token: "bob", rooms: ["lobby"], fallback: { websocketRetry: 1_000 } });
  const { what } = await tab.heard("bob", "readOnly");
  assert.equal(what, true);
  await tab.heard("bob", "ready", (mode) => mode == "extended");
  assert.deepEqual(proxy.engine.slice(0, 5), ["upgrade", "upgrade", "upgrade", "HEAD", "GET"]);
  assert.deepEqual(proxy.targets.slice(3, 5), ["/rooms/%40me/events?joined=1", "/rooms/lobby/events?joined=1"]);
  assert.ok(proxy.headers.slice(3, 5).every(({ authorization }) => authorization == "Bearer bob"));
  await say("hi bob");
  await tab.said("bob", "hi bob");
  await tab.page.evaluate(() => window.sendLater("bob", "hi ada"));
  // The next attempt by WebSocket fails, and the streams go on.
  await proxy.until(() => proxy.engine.filter((what) => what == "upgrade").length > 3);
  await say("the last by a stream");
  await tab.said("bob", "the last by a stream");
  proxy.refused = 0;
  const { skipped } = await tab.heard("bob", "sent", (status) => status == "acked");
  assert.ok(skipped.some(({ event, what }) => event == "readOnly" && what === false), "told before the message is there");
  assert.equal(proxy.open, 1);
  const { entries } = tab.events;
  assert.deepEqual(gapsOf(entries), []);
  assert.ok(!entries.some(({ event, what }) => event == "state" && what.state == "reconnecting" && what.cause.code == "connection_lost"));
  await tab.ask("bob", "close");
  assert.deepEqual(tab.errors.filter((error) => !/WebSocket connection/.test(error)), []);
});

test("nothing is lost or doubled between WebSocket and streams", async (t) => {
  const { proxy, say, address } = await rig(t);
  const tab = await page(t, proxy);
  proxy.refused = 0;
  await tab.start("bob", address, { token: "bob", rooms: ["lobby"], fallback: { websocketRetry: 200 } });
  await tab.heard("bob", "ready");
  await say(1, 2, 3);
  await tab.said("bob", "3");
  proxy.refused = Infinity;
  proxy.cut();
  await say(4, 5);
  await tab.heard("bob", "readOnly", (now) => now);
  await say(6, 7);
  await tab.said("bob", "7");
  proxy.refused = 0;
  await say(8);
  await tab.heard("bob", "readOnly", (now) => !now);
  await say(9);
  await tab.said("bob", "9");
  const { entries } = tab.events;
  assert.deepEqual(contentsOf(entries, "bob"), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assert.deepEqual(gapsOf(entries), []);
});

test("by streams alone: no WebSocket is dialled, the past comes too, rooms come and go, and one that breaks comes back", async (t) => {
  const { proxy, say, address } = await rig(t);
  await say(1, 2, 3, 4, 5);
  const tab = await page(t, proxy);
  await tab.start("bob", address, { token: "bob", notifications: true, rooms: [{ room: "lobby", history: 3 }], fallback: { transports: "sse", maxRooms: 2 } });
  await tab.said("bob", "5");
  assert.deepEqual(contentsOf(tab.events.entries, "bob"), ["3", "4", "5"]);
  assert.equal((await tab.ask("bob", "join", "a/b ü")).room, "a/b ü");
  await tab.page.evaluate(() => void window.clients.bob.join("third"));
  const { what } = await tab.heard("bob", "room", ({ room, code }) => room == "third" && code);
  assert.deepEqual([what.code, what.willRetry, what.message], ["overloaded", true, "so many rooms need a WebSocket, and none opens now"]);
  await tab.page.evaluate(() => window.clients.bob.leave("lobby"));
  await tab.heard("bob", "room", ({ room, state }) => room == "lobby" && state == "left");
  await tab.ask("bob", "join", "lobby");
  await say(6, 7);
  await tab.said("bob", "7");
  proxy.cut();
  await say(8, 9, 10);
  await tab.said("bob", "10");
  assert.deepEqual(contentsOf(tab.events.entries, "bob"), ["3", "4", "5", "6", "7", "8", "9", "10"]);
  assert.ok(!proxy.engine.includes("upgrade"), proxy.targets.join());
  const refusals = tab.events.entries.filter(({ event, what }) => event == "room" && what.room == "@me" && what.code);
  assert.ok(refusals.every(({ what }) => what.willRetry && /^notifications need a WebSocket/.test(what.message)));
});

/** A client in this process, whose events are in a journal. */
async function client(t, address, fallback, options = {}) {
  const journal = new Journal("the client");
  const tell = (event) => (what) => journal.add({ event, what });
  const client = await connect(address, { ...options, webSocket: webSocketOrEvents({ webSocket: WebSocket, onReadOnly: tell("readOnly"), ...fallback }) });
  t.after(() => client.close({ timeout: 0 }));
  for (const event of EVENTS) client.on(event, tell(event));
  const heard = async (event, matches = () => true) => (await journal.until((told) => told.event == event && matches(told.what), event)).found.what;
  return { client, journal, heard };
}

test("in Node too, where a dial that is refused in words stays one by WebSocket", async (t) => {
  const { proxy, say, address } = await rig(t);
  const { client: bob, heard } = await client(t, address, { websocketRetry: 200 }, { token: "bob", rooms: ["lobby"] });
  await heard("readOnly");
  await bob.ready();
  await say("hi bob");
  await heard("message", ({ content }) => content == "hi bob");
  const waiting = bob.send("lobby", "hi ada");
  proxy.refused = 0;
  assert.equal((await waiting).status, "acked");
  proxy.refused = Infinity;
  proxy.refusal = "403 Forbidden";
  const other = await client(t, address, {}, { token: "bob", rooms: ["lobby"] });
  const before = proxy.engine.length;
  const { cause } = await other.heard("state", ({ state }) => state == "failed");
  assert.deepEqual([cause.code, cause.number], ["unauthorized", 403]);
  assert.ok(!proxy.engine.slice(before).includes("HEAD"));
});

test("a log that does not go back far enough is a gap by a stream too", async (t) => {
  const { server, proxy, say, address } = await rig(t, "--history", "4");
  const { client: bob, heard } = await client(t, server.url, {}, { token: "bob", rooms: ["lobby"] });
  await bob.ready();
  const first = heard("message");
  await say(1);
  const { position } = await first;
  await say(2, 3, 4, 5, 6, 7, 8, 9, 10);
  const { client: late, journal, heard: hears } = await client(t, address, { transports: "sse" }, { token: "bob" });
  void late.join("lobby", { since: position });
  await hears("message", ({ content }) => content == "10");
  await say(11);
  await hears("message", ({ content }) => content == "11");
  const [gap] = gapsOf(journal.entries);
  assert.deepEqual([gap.what.reason, gap.what.after, gap.what.before], ["trimmed", 1, 7]);
  assert.deepEqual(journal.entries.filter(({ event }) => event == "message").map(({ what }) => what.content), ["7", "8", "9", "10", "11"]);
});

test("a token that is refused ends a client by streams as any other, and a room that it does not allow is that room's matter", async (t) => {
  const { address } = await rig(t);
  const refused = await client(t, address, { transports: "sse" }, { rooms: ["lobby"] });
  const { cause } = await refused.heard("state", ({ state }) => state == "failed");
  assert.deepEqual([cause.code, cause.number], ["unauthorized", 401]);
  const { client: bob } = await client(t, address, { transports: "sse" }, { token: "bob", rooms: ["lobby"] });
  await bob.ready();
  // The server itself asks for no other token: the source that streams have is asked for each request.
  let asked = 0;
  const source = await client(t, address, { transports: "sse", token: async () => (++asked, "bob") }, { token: "nobody's", rooms: ["lobby"] });
  await source.client.ready();
  assert.equal(asked, 2);
});

test("whose a token is a client is told before it has a room, and there is no stream of the user's own", async (t) => {
  const { server } = await rig(t);
  const ask = (method, token) => fetch(`${server.url.replace("ws", "http").replace("/ws", "")}/rooms/@me/events`, { method, headers: token && { authorization: `Bearer ${token}` } });
  const named = await ask("HEAD", "b%C3%B6b");
  assert.deepEqual([named.status, named.headers.get("rejoin-user"), named.headers.get("content-type")], [200, "b%25C3%25B6b", "text/event-stream"]);
  assert.equal((await ask("HEAD")).status, 401);
  assert.equal((await ask("GET", "bob")).status, 404);
});

test("a server without streams is dialled by WebSocket again, and the cause has both reasons", async (t) => {
  const proxy = await UpgradeProxy.start(t, 9, undefined);
  const address = `${proxy.url.replace("http", "ws")}/elsewhere`;
  const { heard } = await client(t, address, {}, { token: "bob", rooms: ["lobby"] });
  const { cause } = await heard("state", ({ cause }) => /server-sent events/.test(cause?.text));
  assert.match(cause.text, /HTTP 400; server-sent events: /);
  assert.equal(cause.willRetry, true);
  await heard("state", ({ cause }) => cause && !/server-sent events/.test(cause.text));
});

test("options that are none are named", async () => {
  for (const [options, words] of [
    [{ transport: "sse" }, /"transport".*did you mean "transports"/s],
    [{ transports: "polling" }, /transports/],
    [{ websocketRetry: 0 }, /websocketRetry/],
    [{ maxRooms: 0 }, /maxRooms/],
    [{ onReadOnly: true }, /onReadOnly/],
  ]) {
    assert.throws(() => webSocketOrEvents(options), ({ code, message, hint }) => code == "bad_option" && words.test(`${message} ${hint}`), JSON.stringify(options));
  }
  await assert.rejects(connect("ws://127.0.0.1:9/ws", { webSocket: webSocketOrEvents({ transports: "sse" }), protocol: "plain", maxAttempts: 1 }).then((client) => client.ready()), ({ message }) => /extended protocol/.test(message));
});

/** A stream that the test writes, and what was asked for it. */
class Scripted {
  asked = [];
  #streams = [];
  #wake = [];

  fetch = async (url, init) => {
    const { pathname } = new URL(url);
    this.asked.push({ ...init, pathname });
    const headers = new Headers({ "content-type": "text/event-stream", "rejoin-user": "b%C3%B6b" });
    if (init.method == "HEAD") return { status: 200, headers, body: null };
    const body = new ReadableStream({
      start: (controller) => {
        this.#streams.push(controller);
        init.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
        this.#wake.splice(0).forEach((wake) => wake());
      },
    });
    return { status: 200, headers, body };
  };

  async stream(number) {
    while (!this.#streams[number]) await new Promise((resolve) => this.#wake.push(resolve));
    const encoder = new TextEncoder();
    return { write: (text) => this.#streams[number].enqueue(typeof text == "string" ? encoder.encode(text) : text), end: () => this.#streams[number].close() };
  }
}

const joined = (seq, replay) => `event: joined\ndata: ${JSON.stringify({ type: "joined", ref: "x", roomId: "lobby", epoch: "e", seq, replay, recovered: false, reason: "fresh", members: [] })}\n\n`;
const frame = (content) => JSON.stringify({ type: "message", roomId: "lobby", userId: "ada", content, timestamp: "2026-11-22T10:00:00.000Z" });
const message = (seq, content, end = "\n") => [`id: e:${seq}:m${seq}`, `data: ${frame(content)}`, "", ""].join(end);

test("events in pieces of any size, with any ends of lines, are what they are in one", async (t) => {
  const text = `\ufeff: hello\n\n${joined(0, 0)}${message(1, "eins 😀", "\r\n")}${message(2, "zwei", "\r")}event: gap\ndata: {}\n\nevent: message\ndata: no JSON\nid: e:3:m3\n\n${message(3, "drei")}`;
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 7, bytes.length]) {
    const scripted = new Scripted();
    const { journal, heard } = await client(t, "wss://chat.example/base/ws", { transports: "sse", fetch: scripted.fetch }, { token: "ü", rooms: ["lobby"] });
    const stream = await scripted.stream(0);
    for (let at = 0; at < bytes.length; at += size) stream.write(bytes.slice(at, at + size));
    await heard("message", ({ content }) => content == "drei");
    const messages = journal.entries.filter(({ event }) => event == "message").map(({ what }) => what);
    assert.deepEqual(messages.map(({ content, replay, position }) => [content, replay, position.seq]), [["eins 😀", false, 1], ["zwei", false, 2], ["drei", false, 3]]);
    assert.deepEqual(scripted.asked.map(({ pathname }) => pathname), ["/base/rooms/%40me/events", "/base/rooms/lobby/events"]);
    assert.equal(Buffer.from(scripted.asked[1].headers.authorization, "latin1").toString(), "Bearer ü");
    assert.deepEqual(gapsOf(journal.entries), []);
  }
});

test("an event that is too large is left out and told as a gap, whatever is in it", async (t) => {
  const scripted = new Scripted();
  const { journal, heard } = await client(t, "wss://chat.example/ws", { transports: "sse", fetch: scripted.fetch }, { rooms: ["lobby"] });
  const stream = await scripted.stream(0);
  stream.write(`${joined(0, 0)}${message(1, "one")}id: e:2:m2\ndata: `);
  for (let piece = 0; piece < 20; piece++) stream.write("x".repeat(65_536));
  stream.write(`\ndata: ${frame("not by itself")}\n\n${message(3, "three")}`);
  await heard("message", ({ content }) => content == "three");
  const told = journal.entries.filter(({ event }) => ["message", "gap"].includes(event)).map(({ what }) => what.content ?? [what.after, what.before]);
  assert.deepEqual(told, ["one", [1, 3], "three"]);
});

test("a stream that says nothing for 40 s is dead, and the client goes on where it was", async (t) => {
  const clock = new VirtualClock();
  const scripted = new Scripted();
  const { client: bob, journal, heard } = await client(t, "wss://chat.example/ws", { transports: "sse", fetch: scripted.fetch, clock }, { token: "bob", rooms: ["lobby"], clock });
  const stream = await scripted.stream(0);
  stream.write(joined(4, 0));
  stream.write(message(5, "five"));
  await clock.until(bob.ready());
  await heard("message");
  for (let minute = 0; minute < 3; minute++) {
    stream.write(": still there\n\n");
    await clock.advance(39_000);
  }
  assert.ok(!journal.entries.some(({ what }) => what.state == "reconnecting"));
  await clock.advance(5_000);
  assert.equal((await heard("state", ({ state }) => state == "reconnecting")).cause.code, "connection_lost");
  const next = await scripted.stream(1);
  assert.equal(scripted.asked.at(-1).headers["last-event-id"], "e:5:m5");
  next.write(joined(5, 0).replace(/"recovered":false,"reason":"fresh"/, '"recovered":true'));
  await clock.until(bob.ready());
  await bob.close();
  assert.equal(clock.timers, 0);
});
