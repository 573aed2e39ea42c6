// Wrong arguments of an application are refused by name, with what to do, and leave nothing behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { installed } from "./installed.mjs";

const { connect, RejoinError, SendError } = await installed("node.js");
const { connect: connectSocketIo } = await installed("socketio-node.js");
const { follow } = await installed("sse-node.js");
const { FakeServer } = await installed("testing.js");

/** That `act` throws or rejects with a `RejoinError` of this code, in words that match. */
async function refused(act, code, message, hint = /./) {
  const error = await (async () => act())().then(
    () => assert.fail(`not refused: ${act}`),
    (error) => error,
  );
  assert.ok(error instanceof RejoinError || error.name == "RejoinError", String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.match(error.hint, hint);
  return error;
}

test("a Socket.IO address that no WebSocket opens at says what may be wrong with it", async (t) => {
  class Unreachable extends EventTarget {
    constructor(url) {
      super();
      this.url = url;
      setTimeout(() => this.dispatchEvent(Object.assign(new Event("close"), { code: 1006, reason: "" })));
    }
    send() {}
    close() {}
  }
  for (const [path, transports, words] of [
    ["/chat", "auto", /if \/chat is a namespace, .*option namespace/],
    ["/", "auto", /block WebSockets: .*long polling is tried/],
    ["/", "websocket", /must allow the transport "websocket"/],
  ]) {
    const client = await connectSocketIo(`http://127.0.0.1:9${path}`, { webSocket: Unreachable, transports });
    t.after(() => client.close({ timeout: 0 }));
    const { cause } = await new Promise((resolve) => client.on("state", (state) => state.cause && resolve(state)));
    assert.equal(cause.code, "unreachable");
    assert.match(cause.text, words);
  }
});

async function client(t, options = {}) {
  const server = new FakeServer();
  const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"], ...options });
  t.after(() => server.clock.until(client.close({ timeout: 0 })));
  await server.clock.until(client.ready());
  return { server, client };
}

test("an option that is none is named, with the one that was meant", async () => {
  const { url } = new FakeServer();
  await refused(() => connect(url, { tokens: "secret" }), "bad_option", /option "tokens"/, /did you mean "token"\?/);
  await refused(() => connect(url, { romms: [] }), "bad_option", /"romms"/, /did you mean "rooms"\?/);
  await refused(() => connect(url, { sharetabs: "x" }), "bad_option", /"sharetabs"/, /"shareTabs"/);
  await refused(() => connect(url, { websocket: WebSocketStub }), "bad_option", /"websocket"/, /"webSocket"/);
  await refused(() => connect(url, { headers: {} }), "bad_option", /"headers"/, /there are .*rooms.*token/);
  await refused(() => connect(url, { constructor: 1 }), "bad_option", /"constructor"/);
  await refused(() => connectSocketIo(url, { namespaces: "/a" }), "bad_option", /"namespaces"/, /"namespace"/);
  await refused(() => connectSocketIo(url, { persist: "indexeddb" }), "bad_option", /"persist"/);
  await refused(() => follow("https://h", { rooms: ["r"] }), "bad_option", /"rooms"/, /"room"/);
  assert.throws(() => new FakeServer({ extendd: true }), /no option "extendd"/);
});

test("a wrong word is named with the one that was meant, and of a list the part that is wrong", async () => {
  const { url } = new FakeServer();
  await refused(() => connect(url, { policy: "legcy" }), "bad_option", /option policy is "legcy"/, /give "default" or "legacy"; did you mean "legacy"\?/);
  await refused(() => connect(url, { protocol: "Plian" }), "bad_option", /option protocol is "Plian"/, /did you mean "plain"\?/);
  await refused(() => connect(url, { persist: "indexdb" }), "bad_option", /option persist is "indexdb"/, /did you mean "indexeddb"\?/);
  await refused(() => connectSocketIo("https://h", { ackText: "eror" }), "bad_option", /option ackText is "eror"/, /did you mean "error"\?/);
  await refused(() => follow("https://h", { room: "r", policy: "defalt" }), "bad_option", /"defalt"/, /did you mean "default"\?/);
  // What is near to none may be something else that was put there by mistake.
  const secret = await refused(() => connect(url, { policy: "s3cret" }), "bad_option", /option policy is a text/);
  assert.doesNotMatch(secret.message + secret.hint, /s3cret/);
  await refused(() => connect(url, { rooms: ["lobby", ""] }), "bad_option", /option rooms\[1\] is an empty text/, /give a room's name, or \{ room, history \}/);
  await refused(() => connect(url, { rooms: [5] }), "bad_option", /option rooms\[0\] is a number/);
  await refused(() => connect(url, { allowedHosts: ["h", null] }), "bad_option", /option allowedHosts\[1\] is null/);
});

class WebSocketStub {}

test("an option of the wrong kind is named, with what it has to be", async () => {
  const { url } = new FakeServer();
  for (const [name, values, hint] of [
    ["token", [null, "", 5, {}], /text.*function/],
    ["rooms", [null, "lobby", {}, [null], [""], [5], [{}], [{ room: "" }], [{ room: "r", histroy: 5 }], [{ room: "r", history: "5" }], ["@me"]], /./],
    ["maxAttempts", [null, Object.create(null), "3", NaN, -1, 1.5, 0], /whole number from 1/],
    ["sendTtl", [null, "3", NaN, -1, Infinity], /milliseconds/],
    ["seed", [null, "3", NaN], /number/],
    ["persist", [null, true, false, "localstorage"], /"indexeddb"/],
    ["shareTabs", [null, true, false, "", " ", 1, {}], /text that names the user/],
    ["notifications", [null, "yes", 1], /true or false/],
    ["protocol", [null, "plian", true], /"auto" or "plain"/],
    ["policy", [null, "fast"], /"legacy"/],
    ["allowedHosts", [null, "host", [5]], /a text that is not empty/],
    ["webSocket", [null, {}, "ws"], /function/],
    ["clock", [null, 5, {}, { ...globalThis, setTimeout: 1 }, { setTimeout() {}, clearTimeout() {}, Date: {}, performance }], /object/],
    ["wasm", [null, Object.create(null), 5, "", {}, [], () => {}, new ArrayBuffer(0)], /URL/],
    ["signal", [null, {}], /AbortSignal/],
  ]) {
    for (const value of values) {
      const error = await refused(() => connect(url, { [name]: value }), "bad_option", new RegExp(name == "rooms" ? "room" : name), hint);
      assert.ok(error.message.length < 120, error.message);
    }
  }
  await refused(() => connect(url, { maxAttempts: 0 }), "bad_option", /option maxAttempts is 0$/, /from 1/);
  for (const options of [null, 5, "token", []]) await refused(() => connect(url, options), "bad_option", /^options (is|are) /);
});

test("of a Socket.IO client's names and of its end what is wrong is named too", async (t) => {
  for (const name of [Symbol("s"), {}, Object.create(null), 5, null, undefined, "", "connect"]) {
    for (const events of [{ message: name }, { notification: ["badge", name] }]) {
      await refused(() => connectSocketIo("http://h", { events }), "bad_option", /events: no event can be called/, /server's code/);
    }
  }
  const client = await connectSocketIo("http://h", { webSocket: class extends EventTarget { close() {} } });
  t.after(() => client.close({ timeout: 0 }));
  const other = client.namespace("/other");
  for (const options of [null, [], "5", { timeout: 5n }, { timeout: Symbol("s") }, { timeuot: 5 }]) {
    await refused(() => client.close(options), "bad_option", /options|timeout|"timeuot"/);
  }
  assert.deepEqual([client.state, other.state], ["connecting", "connecting"], "nothing is closed");
});

test("a fetch that gives no answer is a dial that failed, which is told", async (t) => {
  const feed = await follow("http://h", { room: "r", fetch: async () => undefined });
  t.after(() => feed.close());
  while (!feed.status.cause) await new Promise((resolve) => feed.once("state", resolve));
  assert.deepEqual([feed.state, feed.status.cause.code], ["reconnecting", "unreachable"]);
});

test("an address that is none is refused before anything is loaded", async () => {
  for (const address of [undefined, null, "", 5, {}, [], [""], [null], "http://[", "ftp://host/"]) {
    await refused(() => connect(address), "bad_url", /address|URL/);
    await refused(() => connectSocketIo(address), "bad_url", /address|URL/);
  }
  for (const address of ["ftp://host/", "https://ada@host/"]) {
    for (const act of [() => connect(address), () => connectSocketIo(address), () => follow(address, { room: "r" })]) {
      await refused(act, "bad_url", /not the address of a/, /^give .*, and no user$/);
    }
  }
  for (const address of [undefined, null, "", 5]) await refused(() => follow(address, { room: "r" }), "bad_url", /address|URL/);
});

test("of several addresses and rooms the one that is wrong is named", async () => {
  await refused(() => connect(["wss://a/ws", "wss://["]), "bad_url", /not a URL: address 2/);
  await refused(() => connect([5, "wss://a/ws"]), "bad_url", /^not a URL$/);
  await refused(() => connect("wss://["), "bad_url", /^not a URL$/);
  await refused(() => connect("wss://h", { rooms: ["lobby", "@me"] }), "bad_option", /option rooms\[1\] is not a room name/);
  await refused(() => connect("wss://h", { rooms: ["lobby", { room: "kitchen", histroy: 5 }] }), "bad_option", /option rooms\[1\]: "histroy"/);
});

test("what is refused of a Socket.IO address is told as its own address is written", async () => {
  for (const address of ["http://[", "", "ftp://host/"]) {
    const { hint } = await refused(() => connectSocketIo(address), "bad_url", /./, /https:\/\/host/);
    assert.doesNotMatch(hint, /wss/);
  }
  for (const option of ["path", "query"]) {
    await refused(() => connectSocketIo("https://h", { [option]: "/x" }), "bad_option", new RegExp(`no option "${option}"`), /put it into the address/);
  }
});

test("a token is in no error", async () => {
  const { url } = new FakeServer();
  for (const token of [12345678, ["hush-hush"], { token: "hush-hush" }]) {
    const { message, hint } = await refused(() => connect(url, { token }), "bad_option", /token/);
    assert.doesNotMatch(message + hint, /hush|1234/);
  }
});

test("an event that is none and a listener that is none are refused", async (t) => {
  const { client: alice } = await client(t);
  for (const method of ["on", "once", "off"]) {
    await refused(() => alice[method]("mesage", () => {}), "bad_argument", /event "mesage"/, /did you mean "message"\?/);
    await refused(() => alice[method]("userJoined", () => {}), "bad_argument", /"userJoined"/, /"user_joined"/);
    await refused(() => alice[method]("open", () => {}), "bad_argument", /"open"/, /there are state, /);
    await refused(() => alice[method]("message"), "bad_argument", /listener of "message" is undefined/, /function/);
    await refused(() => alice[method](), "bad_argument", /event/);
    await refused(() => alice[method](null, () => {}), "bad_argument", /event null/);
  }
  await refused(() => alice.on("message", () => {}, { sginal: 1 }), "bad_option", /"sginal"/, /"signal"/);
});

test("a room, a text and what goes with them are checked by every method", async (t) => {
  const { client: alice } = await client(t);
  for (const room of [undefined, null, "", 5, {}, "@me"]) {
    for (const act of [
      () => alice.send(room, "x"), () => alice.join(room), () => alice.leave(room), () => alice.signal(room, "typing"),
      () => alice.presence(room), () => alice.messages(room),
    ]) await refused(act, "bad_argument", /room/);
  }
  // The rule of protocol.md, 1: 128 characters, however many units and bytes those are.
  const names = ["x".repeat(129), "\u{1f600}".repeat(129), "a\nb", "\u0000", "\u007f", "a\u200b", "\u202e", "\ufeff", "\u{e0041}", "@you"];
  for (const room of names) {
    for (const act of [
      () => alice.send(room, "x"), () => alice.join(room), () => alice.leave(room), () => alice.signal(room, "typing"),
      () => alice.presence(room), () => alice.messages(room), () => follow("https://h", { room }),
    ]) await refused(act, "bad_argument", /not a room name/, /1-128 visible characters, no @ first/);
    await refused(() => connect("wss://h", { rooms: [room] }), "bad_option", /not a room name/);
    await refused(() => connectSocketIo("https://h", { rooms: [room] }), "bad_option", /not a room name/);
  }
  for (const room of ["\u{1f600}".repeat(128), "K\u00fcche", "\u0645\u06dd", "a b"]) assert.equal((await alice.join(room)).room, room);
  for (const room of ["\u{1f600}".repeat(128), "K\u00fcche", "\u0645\u06dd", "a b"]) alice.leave(room);
  for (const content of [undefined, null, 5, {}]) await refused(() => alice.send("lobby", content), "bad_argument", /content is/, /text/);
  await refused(() => alice.send("lobby", ""), "bad_argument", /content is an empty text/, /not empty/);
  assert.equal((await alice.send("lobby", "", { data: [1] })).status, "acked", "what its data says needs no text");
  await refused(() => alice.signal("lobby", ""), "bad_argument", /kind is an empty text/);
  await refused(() => alice.setToken(""), "bad_argument", /token/);
  for (const timeout of ["3", NaN, -1, null]) {
    await refused(() => alice.send("lobby", "x", { timeout }), "bad_option", /timeout/, /milliseconds/);
    await refused(() => alice.close({ timeout }), "bad_option", /timeout/, /milliseconds/);
  }
  await refused(() => alice.send("lobby", "x", { timeOut: 5 }), "bad_option", /"timeOut"/, /"timeout"/);
  await refused(() => alice.send("lobby", "x", null), "bad_option", /options is null/);
  for (const since of [null, "5", {}, { epoch: "e", seq: 1 }, { epoch: "e e", seq: 1, id: "i" }]) {
    await refused(() => alice.join("r", { since }), "bad_option", /since/, /position/);
  }
  for (const history of [null, "5", NaN, -1, 1.5]) await refused(() => alice.join("r", { history }), "bad_option", /history/, /whole number/);
  await refused(() => alice.ready({ timeout: 5 }), "bad_option", /"timeout"/);
  assert.equal(alice.rooms.size, 1, "nothing was joined");
});

test("data that JSON cannot hold rejects the send and leaves nothing behind", async (t) => {
  const { server, client: alice } = await client(t);
  const cycle = {};
  cycle.self = cycle;
  let deep = 1;
  for (let level = 0; level < 65; level++) deep = [deep];
  const hostile = { toJSON: () => { throw new Error("no"); } };
  const before = server.received.length;
  for (const data of [() => {}, { f() {} }, [Symbol("s")], cycle, 5n, { big: 5n }, NaN, { n: Infinity }, deep, hostile, new Map([[1, 2]]), { seen: new Set([1]) }, [new Date(NaN)], /x/, new Error("e"), new Uint8Array(2)]) {
    await refused(() => alice.send("lobby", "x", { data }), "bad_argument", /data cannot be written as JSON/, /plain data/);
    await refused(() => alice.signal("lobby", "typing", data), "bad_argument", /data cannot be written as JSON/);
  }
  assert.equal(server.received.length, before);
  assert.equal(alice.diagnostics().outboxLength, 0);
  const from = server.clock.performance.now();
  await server.clock.until(alice.close());
  assert.equal(server.clock.performance.now() - from, 0, "no ghost holds the end up");
});

test("data is sent as it was when it was given", async (t) => {
  const { server, client: alice } = await client(t);
  const data = { n: 1, gone: undefined };
  const sent = alice.send("lobby", "x", { data });
  data.n = 2;
  await server.clock.until(sent);
  assert.deepEqual(server.room("lobby").log[0].data, { n: 1 });
});

test("a refused send says what to do", async (t) => {
  const { server, client: alice } = await client(t);
  for (const [code, hint] of [["forbidden", /right/], ["too_large", /^at most 8192 bytes are taken at once: split it$/], ["bad_request", /./]]) {
    server.nack(code);
    await assert.rejects(server.clock.until(alice.send("lobby", "x")), (error) => error instanceof SendError && error.code == code && hint.test(error.hint));
  }
});

test("the server of rejoin/testing says what it was given wrongly", async () => {
  assert.throws(() => new FakeServer({ latency: "20" }), /option latency/);
  assert.throws(() => new FakeServer({ limits: { repaly: 5 } }), /"repaly"/);
  assert.throws(() => new FakeServer(null), /options is null/);
  const server = new FakeServer();
  await assert.rejects(server.clock.advance("1s"), /ms is a text/);
  await assert.rejects(server.clock.advance(NaN), /ms is NaN/);
  assert.throws(() => server.close("4001"), /code is a text/);
  assert.throws(() => server.goAway({ window: 5 }), /"window"/);
  assert.throws(() => server.say("lobby", "bob"), /content is undefined/);
});
