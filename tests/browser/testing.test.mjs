// rejoin/testing from the packed tarball: a server inside the test, and time that stands still.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { browser } from "./page.mjs";
import { project } from "./package.mjs";
import { site } from "./site.mjs";

const cleanings = [];
after(() => cleanings.forEach((clean) => clean()));
const root = project({ after: (clean) => cleanings.push(clean) }, {});
const installed = (name) => import(pathToFileURL(join(root, "node_modules/rejoin/dist", name)));
const { connect, SendError } = await installed("node.js");
const { FakeServer, VirtualClock } = await installed("testing.js");

const EVENTS = ["state", "mode", "ready", "room", "joined", "message", "user_joined", "user_left", "presence", "signal", "notification", "gap", "error"];

/** A client that notes what it is told, each with the virtual time. */
async function client(t, server, token = "alice", options = {}) {
  const client = await connect(server.url, { ...server.options(), token, rooms: ["lobby"], ...options });
  t.after(() => server.clock.until(client.close({ timeout: 0 })));
  const told = [];
  for (const name of EVENTS) client.on(name, (what) => told.push({ name, what, at: server.clock.performance.now() }));
  const of = (name) => told.filter((one) => one.name == name).map(({ what }) => what);
  return { client, told, of, contents: () => of("message").map(({ content }) => content) };
}

const log = (server, room = "lobby") => server.room(room).log.map(({ content }) => content);

test("the example of the README runs as it is written", async (t) => {
  const readme = readFileSync(new URL("../../client-wasm/README.md", import.meta.url), "utf8");
  const [, example] = /## Testing your code[^]*?```ts\n([^]*?)```/.exec(readme);
  const path = project(t, { "package.json": '{ "type": "module" }', "example.test.js": example });
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, ["--test", "--test-reporter=tap", "example.test.js"], { cwd: path, env });
  assert.match(stdout, /^# pass 1$/m);
});

test("an outage of an hour is lived through in virtual time, and what was sent in it arrives once", async (t) => {
  const server = new FakeServer();
  const { clock } = server;
  const { client: alice, of, contents } = await client(t, server, "alice", { sendTtl: 7_200_000 });
  await alice.ready();
  await clock.advance(40_000);
  server.stop();
  await clock.advance(0);
  const sent = alice.send("lobby", "from the outage");
  await clock.advance(3_600_000);
  assert.equal(alice.state, "suspended");
  assert.deepEqual(log(server), []);
  server.start();
  assert.equal((await clock.until(sent)).status, "acked");
  await clock.advance(60_000);
  assert.deepEqual([log(server), contents()], [["from the outage"], ["from the outage"]]);
  assert.ok(server.dials > 60 && server.dials < 800, `${server.dials} dials in an hour`);
  assert.deepEqual(of("gap"), []);
});

test("the same seed gives the same run to the millisecond, another one another", async (t) => {
  const run = async (seed) => {
    const server = new FakeServer({ seed, latency: 20 });
    const { client: alice, told } = await client(t, server);
    await server.clock.until(alice.ready());
    server.stop();
    await server.clock.advance(120_000);
    server.start();
    await server.clock.until(alice.ready());
    return JSON.stringify(told);
  };
  assert.equal(await run(7), await run(7));
  assert.notEqual(await run(7), await run(8));
});

test("a lost acknowledgement is asked for again and the message is in the log once", async (t) => {
  const server = new FakeServer();
  const { client: alice, contents } = await client(t, server);
  await alice.ready();
  server.cutBefore("ack");
  const receipt = await server.clock.until(alice.send("lobby", "once"));
  assert.deepEqual([receipt.status, receipt.seq], ["acked", 1]);
  await server.clock.advance(1000);
  assert.deepEqual([log(server), contents()], [["once"], ["once"]]);
  assert.equal(server.connections.at(-1).number, 2);
});

test("a send that is made again is answered by what it was answered before", async (t) => {
  const server = new FakeServer();
  const socket = new server.WebSocket(`${server.url}?ext=1&token=alice`);
  t.after(() => socket.close());
  const heard = [];
  socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
  await server.clock.advance(0);
  socket.send('{"type":"join_room","ref":"j1","roomId":"lobby"}');
  await server.clock.advance(0);
  const { epoch } = heard.find(({ type }) => type == "joined");
  const send = (ref, pseq, content) =>
    socket.send(JSON.stringify({ type: "send_message", ref, roomId: "lobby", content, epoch, pid: "p1", pseq }));
  send("s1", 1, "one");
  send("s2", 1, "one");
  send("s3", 3, "three");
  server.nack("forbidden");
  await server.clock.advance(0);
  send("s4", 2, "two");
  send("s5", 3, "three");
  await server.clock.advance(0);
  const answers = heard.filter(({ type }) => type == "ack" || type == "nack");
  assert.deepEqual(
    answers.map(({ ref, type, dup, seq, code, expected }) => [ref, type, dup ?? false, seq ?? code, expected]),
    [
      ["s1", "nack", false, "forbidden", undefined],
      ["s2", "ack", false, 1, undefined],
      ["s3", "nack", false, "sequence_gap", 2],
      ["s4", "ack", false, 2, undefined],
      ["s5", "ack", false, 3, undefined],
    ],
  );
  send("s6", 3, "three");
  await server.clock.advance(0);
  const { type, dup, seq } = heard.find(({ ref }) => ref == "s6");
  assert.deepEqual([type, dup, seq], ["ack", true, 3]);
  assert.deepEqual(log(server), ["one", "two", "three"]);
  await server.clock.advance(600_001);
  send("s7", 4, "four");
  await server.clock.advance(0);
  assert.equal(heard.find(({ ref }) => ref == "s7").code, "unknown_producer");
});

test("a server that comes back without its log is a gap before the next message", async (t) => {
  const server = new FakeServer();
  const { client: alice, told } = await client(t, server);
  await alice.ready();
  server.say("lobby", "bob", "before");
  await server.clock.advance(0);
  const { epoch } = server.room("lobby");
  server.restart({ keepLog: false });
  await server.clock.advance(0);
  await server.clock.until(alice.ready());
  assert.notEqual(server.room("lobby").epoch, epoch);
  server.say("lobby", "bob", "after");
  await server.clock.advance(0);
  const rest = told.filter(({ name }) => name == "gap" || name == "message").map(({ what }) => what.reason ?? what.content);
  assert.deepEqual(rest, ["before", "epoch_changed", "after"]);
});

test("one that keeps its log replays what was missed, in pages and without a gap, and says what it has forgotten", async (t) => {
  const server = new FakeServer({ limits: { replay: 3 } });
  const { client: alice, of, contents } = await client(t, server);
  await alice.ready();
  server.say("lobby", "bob", "0");
  await server.clock.advance(0);
  server.restart();
  for (let number = 1; number <= 10; number++) server.say("lobby", "bob", String(number));
  await server.clock.advance(5000);
  assert.deepEqual(contents(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
  assert.deepEqual(of("gap"), []);
  server.restart();
  for (let number = 11; number <= 15; number++) server.say("lobby", "bob", String(number));
  server.trim("lobby", 2);
  await server.clock.advance(5000);
  assert.deepEqual(of("gap").map(({ reason, after }) => [reason, after]), [["trimmed", 11]]);
});

test("a token that nobody has ends in failed, another one leads out of it", async (t) => {
  const server = new FakeServer({ tokens: { "t-alice": "alice" } });
  const { client: alice } = await client(t, server, "wrong");
  await server.clock.advance(120_000);
  assert.equal(alice.state, "failed");
  assert.deepEqual([alice.status.cause.code, alice.status.cause.number], ["unauthorized", 4001]);
  const { dials } = server;
  await server.clock.advance(3_600_000);
  assert.equal(server.dials, dials, "no attempt after a terminal code");
  alice.setToken("t-alice");
  await server.clock.until(alice.ready());
  assert.deepEqual(server.connections.map(({ user }) => user), ["alice"]);
});

test("a token that ends is refreshed on the connection, or ends it", async (t) => {
  const server = new FakeServer({ tokens: { one: "alice", two: "alice" } });
  const answers = ["one", "two"];
  const { client: alice } = await client(t, server, () => answers.shift() ?? "none");
  await alice.ready();
  server.expire(60_000);
  await server.clock.advance(120_000);
  assert.deepEqual(server.received.filter(({ frame }) => frame.type == "auth").map(({ frame }) => frame.token), ["two"]);
  assert.deepEqual([alice.state, server.dials], ["connected", 1]);
  server.close(4002);
  await server.clock.advance(120_000);
  assert.equal(alice.state, "failed");
});

test("who is there, who types, what is for one alone: as the others do it", async (t) => {
  const server = new FakeServer();
  const { client: alice, of } = await client(t, server, "alice", { notifications: true });
  await alice.ready();
  server.enter("lobby", "bob");
  server.signal("lobby", "bob", "typing", { on: true });
  server.notify("alice", "invite", { room: "x" });
  const { client: carol } = await client(t, server, "carol");
  await carol.ready();
  alice.presence("lobby");
  server.leave("lobby", "bob");
  server.drop("carol");
  await server.clock.until(carol.ready());
  await server.clock.advance(20_000);
  assert.deepEqual(of("user_joined").map(({ user }) => user), ["bob", "carol"]);
  assert.deepEqual(of("user_left").map(({ user }) => user), ["bob"], "carol was back within the grace");
  assert.deepEqual(of("signal"), [{ room: "lobby", user: "bob", kind: "typing", data: { on: true } }]);
  assert.deepEqual(of("notification").map(({ kind, data }) => [kind, data]), [["invite", { room: "x" }]]);
  await carol.close();
  server.notify("alice", "later");
  alice.presence("lobby");
  await server.clock.advance(0);
  assert.deepEqual(of("presence").at(-1).members, ["alice"]);
  assert.deepEqual(of("notification").map(({ kind }) => kind), ["invite", "later"]);
  server.remove("lobby", "alice");
  await server.clock.advance(0);
  assert.equal(of("room").at(-1).state, "removed");
});

test("refusals are the client's to hear: a final one fails a send, a temporary one only delays it, a join may be refused", async (t) => {
  const server = new FakeServer();
  const { client: alice, of } = await client(t, server);
  await alice.ready();
  server.nack("forbidden");
  await assert.rejects(alice.send("lobby", "never"), (error) => error instanceof SendError && error.outcome == "failed" && error.code == "forbidden");
  server.nack("rate_limited", { retry: true, retryAfterMs: 2000 });
  const before = server.clock.performance.now();
  assert.equal((await server.clock.until(alice.send("lobby", "later"))).status, "acked");
  assert.ok(server.clock.performance.now() - before >= 2000);
  assert.deepEqual(log(server), ["later"]);
  server.refuseJoin("forbidden", { room: "secret" });
  alice.join("secret");
  await server.clock.advance(0);
  assert.deepEqual(of("room").at(-1), { room: "secret", state: "failed", code: "forbidden", message: "forbidden" });
});

test("a silent network is found by asking, and what was under way arrives after all", async (t) => {
  const server = new FakeServer();
  const { client: alice, of, contents } = await client(t, server);
  await alice.ready();
  server.hold();
  server.say("lobby", "bob", "unheard");
  await server.clock.advance(45_000);
  assert.equal(alice.state, "reconnecting");
  assert.equal(of("state").at(-1).cause.code, "dead_peer");
  server.release();
  await server.clock.until(alice.ready());
  await server.clock.advance(0);
  assert.deepEqual(contents(), ["unheard"]);
});

test("a machine that slept asks first, and keeps its connection", async (t) => {
  const server = new FakeServer();
  const { client: alice } = await client(t, server);
  await alice.ready();
  await server.clock.sleep(7_200_000);
  assert.ok(server.received.some(({ frame }) => frame.type == "ping"));
  assert.equal((await alice.send("lobby", "good morning")).status, "acked");
  assert.equal(server.dials, 1);
});

test("a server that goes away has two connections for a while, and nothing is told twice", async (t) => {
  const server = new FakeServer();
  const { client: alice, contents, of } = await client(t, server);
  await alice.ready();
  server.goAway({ windowMs: 4000 });
  for (let step = 0; step < 50; step++) {
    server.say("lobby", "bob", String(step));
    await server.clock.advance(100);
  }
  assert.deepEqual(contents(), Array.from({ length: 50 }, (_, step) => String(step)));
  assert.deepEqual([server.dials, server.connections.length], [2, 1]);
  assert.ok(of("state").every(({ state }) => state != "reconnecting"));
});

test("a plain server is the base contract and no more", async (t) => {
  const server = new FakeServer({ extended: false });
  const { client: alice, of, contents } = await client(t, server, "alice", { protocol: "plain" });
  const { client: bob } = await client(t, server, "bob");
  assert.equal(await server.clock.until(alice.ready()), "plain");
  assert.equal(await server.clock.until(bob.ready()), "plain");
  assert.deepEqual(await alice.send("lobby", "hi", { data: 5 }), { status: "written" });
  await server.clock.advance(0);
  assert.deepEqual(of("message").map(({ content, data, position }) => [content, data, position]), [["hi", undefined, undefined]]);
  assert.deepEqual(of("user_joined").map(({ user }) => user), ["bob"]);
  assert.ok(server.sent.every(({ frame }) => ["message", "user_joined", "error"].includes(frame.type)));
  server.drop("alice");
  server.say("lobby", "bob", "missed");
  await server.clock.advance(0);
  await server.clock.until(alice.ready());
  assert.deepEqual([contents(), of("gap")], [["hi"], [{ room: "lobby", reason: "reconnected" }]]);
});

test("refused dials, close codes and nonsense are what they are to a client", async (t) => {
  const server = new FakeServer();
  const { client: alice, of } = await client(t, server);
  await alice.ready();
  server.garble("this is no frame");
  await server.clock.advance(0);
  assert.equal(of("error").at(-1).code, "garbled");
  server.refuse(2);
  server.close(1012, { reason: "deploy" });
  await server.clock.advance(0);
  assert.deepEqual([alice.status.cause.number, alice.status.cause.text], [1012, "deploy"]);
  await server.clock.until(alice.ready());
  assert.equal(server.dials, 4);
  server.close(4003);
  await server.clock.advance(600_000);
  assert.deepEqual([alice.state, server.dials], ["failed", 4]);
});

test("a frame that is none and a dial to elsewhere fail the test, without the token in the words", async () => {
  for (const [query, text, why] of [
    ["?token=alice&ext=1", "nonsense", /not JSON/],
    ["?token=alice&ext=1", '{"type":"shout"}', /no type that is known/],
    ["?token=alice&ext=1", '{"type":"join_room","roomId":7}', /roomId/],
    ["?token=alice&ext=1", '{"type":"join_room","roomId":"r","colour":1}', /colour/],
    ["?token=alice&ext=1", '{"type":"send_message","ref":"s","roomId":"r","content":"c","pid":"p"}', /numbered/],
    ["?token=alice", '{"type":"ping","t":1}', /plain connection/],
    ["?token=alice&ext=1", '{"type":"auth","ref":7,"token":"s3cret"}', /ref(?!.*s3cret)/],
  ]) {
    const server = new FakeServer();
    const socket = new server.WebSocket(server.url + query);
    await server.clock.advance(0);
    socket.send(text);
    await assert.rejects(server.clock.advance(0), why, text);
  }
  const server = new FakeServer();
  assert.throws(() => new server.WebSocket("wss://elsewhere.test/ws?token=s3cret"), /elsewhere\.test\/ws,(?!.*s3cret)/);
  await assert.rejects(server.clock.advance(0), /elsewhere/);
});

test("a closed client leaves no timer, an outcome that does not come is said", async (t) => {
  const server = new FakeServer();
  const { clock } = server;
  const { client: alice } = await client(t, server);
  await alice.ready();
  server.stop();
  await clock.advance(0);
  await assert.rejects(clock.until(alice.ready(), 30_000), /not settled within 30000 ms/);
  await alice.close();
  await clock.advance(20_000);
  assert.equal(clock.timers, 0);
});

test("the clock: order, cancelling, lateness, and no move within a move", async () => {
  const clock = new VirtualClock({ date: 5000 });
  const fired = [];
  const note = (name) => () => fired.push([name, clock.performance.now(), clock.Date.now()]);
  clock.setTimeout(note("b"), 20);
  clock.setTimeout(note("a"), 10);
  clock.setTimeout(note("c"), 20);
  clock.clearTimeout(clock.setTimeout(note("never"), 15));
  const moving = clock.advance(20);
  await assert.rejects(clock.advance(1), /await its last move/);
  await moving;
  assert.deepEqual(fired, [["a", 10, 5010], ["b", 20, 5020], ["c", 20, 5020]]);
  clock.setTimeout(note("late"), 10);
  await clock.sleep(1000);
  assert.deepEqual(fired.at(-1), ["late", 1020, 6020]);
  await new Promise((resolve) => clock.setTimeout(resolve));
  let endless = true;
  clock.setTimeout(function again() {
    if (endless) clock.setTimeout(again);
  });
  await assert.rejects(clock.advance(0), /again and again/);
  endless = false;
});

test("in a page it is the same", async (t) => {
  const root = project(t, {
    "index.html": '<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title><script type="module" src="page.js"></script>',
    "page.js": `
      import { connect } from "./node_modules/rejoin/dist/index.js";
      import { FakeServer } from "./node_modules/rejoin/dist/testing.js";
      const server = new FakeServer();
      const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"] });
      await client.ready();
      server.stop();
      const receipt = client.send("lobby", "hi");
      await server.clock.advance(120_000);
      server.start();
      const { status } = await server.clock.until(receipt);
      await client.close();
      document.title = status + server.room("lobby").log.length;`,
  });
  const page = await (await browser(t)).newPage();
  await page.goto(await site(t, root));
  await page.waitForFunction(() => document.title != "…");
  assert.equal(await page.title(), "acked1");
});
