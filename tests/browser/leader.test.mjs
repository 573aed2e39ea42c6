// Routing on a shared connection: the leader of shareTabs by itself, with a socket
// that the test speaks through.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = fileURLToPath(new URL("../../client-wasm/", import.meta.url));
const parts = { Leader: "tabs/leader", Connection: "client/connection", start: "wasm/machine" };
const contents = Object.entries(parts).map(([name, file]) => `export { ${name} } from "./js/${file}.ts";`).join("");
const { outputFiles } = await build({
  stdin: { contents, resolveDir: folder }, bundle: true, write: false, format: "esm", logLevel: "error",
});
const { Leader, Connection, start } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
start(new WebAssembly.Module(readFileSync(`${folder}dist/rejoin.wasm`)));

class Socket extends EventTarget {
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  /** It takes nothing for now. */
  stuffed = false;
  closed;

  open() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  send(text) {
    if (this.stuffed) this.bufferedAmount += text.length;
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.closed = code;
    this.readyState = 3;
  }

  says(frame) {
    this.dispatchEvent(new MessageEvent("message", { data: typeof frame == "string" ? frame : JSON.stringify(frame) }));
  }

  ends(code, reason = "") {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}

const hello = { type: "hello", v: 1, userId: "alice" };

/** A leader with the virtual sockets `own` of its own tab and `one`, `two` of others. */
function rig({ greeting = hello } = {}) {
  const sockets = [];
  const heard = { own: [], one: [], two: [] };
  const watched = new Map();
  const hear = (name, down) => heard[name].push(down.kind == "text" || down.kind == "hello" ? JSON.parse(down.text) : down);
  const leader = new Leader("leader", {
    dial: (_, handlers) => new Connection(0, sockets[sockets.push(new Socket()) - 1], globalThis, handlers),
    deliver: hear,
    post: (names, down) => names.forEach((name) => hear(name, down)),
    watch: (tab, gone) => {
      watched.set(tab, gone);
      return () => watched.delete(tab);
    },
  });
  leader.dial("own", "ws://host/ws");
  for (const name of ["one", "two"]) leader.receive({ kind: "dial", socket: name, tab: `tab of ${name}` });
  const [socket] = sockets;
  socket.open();
  if (greeting) socket.says(greeting);
  const rig = {
    leader, sockets, socket, heard, watched,
    up: (name, frame) => leader.receive({ kind: "text", socket: name, text: JSON.stringify(frame) }),
    /** What has been heard since the last time. */
    news: () => Object.fromEntries(Object.entries(heard).map(([name, all]) => [name, all.splice(0)])),
    /** What has been sent since the last time. */
    sent: () => socket.sent.splice(0),
    /** A join that the server answers. */
    join(name, ref, seq, replay = 0) {
      rig.up(name, { type: "join_room", ref, roomId: "r" });
      const [{ ref: asked }] = rig.sent();
      socket.says({ type: "joined", ref: asked, roomId: "r", epoch: "E", seq, replay, recovered: true });
    },
  };
  return rig;
}

const message = (seq, more) => ({ type: "message", roomId: "r", userId: "bob", content: `${seq}`, timestamp: "t", id: `m${seq}`, epoch: "E", seq, ...more });
const seqs = (news) => Object.fromEntries(Object.entries(news).map(([name, all]) => [name, all.filter(({ type }) => type == "message").map(({ seq }) => seq)]));

test("those that wait are told so, and of the open connection and its hello when it is there", () => {
  const { heard } = rig();
  assert.deepEqual(heard.own, [{ kind: "opened" }, hello]);
  assert.deepEqual(heard.one, [{ kind: "waits" }, { kind: "opened" }, hello]);
});

test("an answer goes to the tab that asked, with the ref that it gave", () => {
  const { up, sent, socket, news } = rig();
  news();
  for (const name of ["own", "one", "two"]) up(name, { type: "send_message", ref: "s1-1", roomId: "r", content: name, pid: "p", pseq: 1 });
  const frames = sent();
  assert.equal(new Set(frames.map(({ ref }) => ref)).size, 3);
  for (const { ref } of frames) assert.match(ref, /^[\w-]{1,64}$/);
  assert.deepEqual(frames.map(({ content, pid, pseq }) => [content, pid, pseq]), [["own", "p", 1], ["one", "p", 1], ["two", "p", 1]]);
  socket.says({ type: "ack", ref: frames[1].ref, roomId: "r", id: "m", epoch: "E", seq: 1 });
  assert.deepEqual(news(), { own: [], one: [{ type: "ack", ref: "s1-1", roomId: "r", id: "m", epoch: "E", seq: 1 }], two: [] });
});

test("a join waits until the replay of the one before it is over", () => {
  const { up, sent, socket, join, news } = rig();
  join("own", "j1", 10, 2);
  up("one", { type: "join_room", ref: "j1", roomId: "r", since: { epoch: "E", seq: 9, id: "m9" } });
  assert.deepEqual(sent(), []);
  news();
  socket.says(message(9, { replay: true }));
  assert.deepEqual(sent(), []);
  socket.says(message(10, { replay: true }));
  assert.deepEqual(seqs(news()), { own: [9, 10], one: [], two: [] });
  const [join1] = sent();
  assert.deepEqual([join1.type, join1.since.seq], ["join_room", 9]);
  // Its replay is news to nobody else; what is said now is told to both.
  socket.says({ type: "joined", ref: join1.ref, roomId: "r", epoch: "E", seq: 10, replay: 1, recovered: true });
  socket.says(message(10, { replay: true }));
  socket.says(message(11));
  assert.deepEqual(seqs(news()), { own: [11], one: [10, 11], two: [] });
});

test("a join is not held up by a replay that is cut short, or that its tab waits for no more", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const end of [
    ({ socket }) => socket.says(message(11)),
    ({ up }) => up("own", { type: "history", ref: "h1", roomId: "r", epoch: "E", after: 8, limit: 10 }),
    ({ up }) => up("own", { type: "leave_room", ref: "l1", roomId: "r" }),
    ({ leader }) => leader.receive({ kind: "close", socket: "own", code: 4901 }),
  ]) {
    const it = rig();
    it.join("own", "j1", 10, 5);
    it.up("one", { type: "join_room", ref: "j1", roomId: "r" });
    it.socket.says(message(8, { replay: true }));
    assert.deepEqual(it.sent(), []);
    end(it);
    assert.ok(it.sent().some(({ type }) => type == "join_room"), String(end));
  }
});

test("a refused join is one tab's, and the next one's turn", () => {
  const { up, sent, socket, news } = rig();
  up("own", { type: "join_room", ref: "j1", roomId: "r" });
  up("one", { type: "join_room", ref: "j7", roomId: "r" });
  const [first, ...more] = sent();
  assert.deepEqual(more, []);
  news();
  socket.says({ type: "error", ref: first.ref, roomId: "r", code: "forbidden", retry: false, message: "no" });
  assert.deepEqual(news().own.map(({ ref, code }) => [ref, code]), [["j1", "forbidden"]]);
  assert.equal(sent().length, 1);
});

test("what the server has told nobody while a tab joined is asked for", () => {
  const { socket, join, sent, news } = rig();
  join("own", "j1", 10);
  // Said between the end of the first replay and the second join, and told to neither.
  join("one", "j1", 13);
  const [question] = sent();
  assert.deepEqual([question.type, question.roomId, question.epoch, question.after, question.limit], ["history", "r", "E", 12, 1]);
  news();
  socket.says({ type: "history", ref: question.ref, roomId: "r", epoch: "E", messages: [message(13)], complete: true });
  const { own } = news();
  // A hole in its eyes: its machine fetches what lies before.
  assert.deepEqual(own, [message(13, { replay: true })]);
});

test("what is replayed to a tab that joins and not known to the others is told to all", () => {
  const { socket, join, sent, news } = rig();
  join("own", "j1", 10);
  join("one", "j1", 12, 3);
  news();
  for (const seq of [10, 11, 12]) socket.says(message(seq, { replay: true }));
  assert.deepEqual(seqs(news()), { own: [11, 12], one: [10, 11, 12], two: [] });
  assert.deepEqual(sent(), []);
});

test("rooms are counted: only the last leave is for the server", () => {
  const { join, up, sent, news } = rig();
  join("own", "j1", 0);
  join("one", "j1", 0);
  news();
  up("one", { type: "leave_room", ref: "l2", roomId: "r" });
  assert.deepEqual(sent(), []);
  assert.deepEqual(news().one, [{ type: "left", ref: "l2", roomId: "r" }]);
  up("own", { type: "leave_room", ref: "l2", roomId: "r" });
  assert.deepEqual(sent().map(({ type, roomId }) => [type, roomId]), [["leave_room", "r"]]);
});

test("a tab that has gone is counted out: at once by its own will, after a grace otherwise", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const [end, wait] of [
    [({ leader }) => leader.receive({ kind: "close", socket: "one", code: 1000 }), 0],
    [({ leader }) => leader.receive({ kind: "close", socket: "one", code: 4901 }), 15_000],
    [({ watched }) => watched.get("tab of one")(), 15_000],
  ]) {
    const it = rig();
    it.join("one", "j1", 0);
    end(it);
    if (wait) assert.deepEqual(it.sent(), []);
    t.mock.timers.tick(wait);
    assert.deepEqual(it.sent(), [{ type: "leave_room", roomId: "r" }]);
    assert.ok(!it.watched.has("tab of one"));
  }
});

test("a tab that comes back within the grace keeps the room joined", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { join, watched, leader, sent, heard, up } = rig();
  join("one", "j1", 0);
  watched.get("tab of one")();
  heard.again = [];
  leader.receive({ kind: "dial", socket: "again", tab: "tab of one" });
  up("again", { type: "join_room", ref: "j1", roomId: "r" });
  t.mock.timers.tick(60_000);
  assert.deepEqual(sent().map(({ type }) => type), ["join_room"]);
});

test("a room that the server takes away is taken from its tabs", () => {
  const { join, socket, news, sent } = rig();
  join("own", "j1", 0);
  join("one", "j1", 0);
  news();
  socket.says({ type: "left", roomId: "r", code: "forbidden" });
  socket.says(message(1));
  const left = [{ type: "left", roomId: "r", code: "forbidden" }];
  assert.deepEqual(news(), { own: left, one: left, two: [] });
  // And can be joined again.
  join("one", "j2", 1);
  assert.deepEqual(sent(), []);
});

test("a pong answers the tab that has asked, with its own word", () => {
  const { up, sent, socket, news } = rig();
  news();
  up("one", { type: "ping", t: 0 });
  up("two", { type: "ping", t: 5 });
  const [one, two] = sent();
  socket.says({ type: "pong", t: two.t });
  assert.deepEqual(news(), { own: [], one: [], two: [{ type: "pong", t: 5 }] });
  socket.says({ type: "pong", t: one.t });
  assert.deepEqual(news(), { own: [], one: [{ type: "pong", t: 0 }], two: [] });
});

test("the tab with the token renews it and moves first, and the others follow to its new connection", () => {
  const { leader, sockets, socket, news, heard } = rig();
  news();
  socket.says({ type: "auth_expiring", inMs: 1000 });
  socket.says({ type: "going_away", windowMs: 9000 });
  assert.deepEqual(news(), { own: [{ type: "auth_expiring", inMs: 1000 }, { type: "going_away", windowMs: 9000 }], one: [], two: [] });
  heard["own 2"] = [];
  heard["one 2"] = [];
  leader.dial("own 2", "ws://elsewhere/ws");
  sockets[1].open();
  assert.deepEqual(news(), { own: [], one: [{ type: "going_away", windowMs: 0 }], two: [{ type: "going_away", windowMs: 0 }], "own 2": [{ kind: "opened" }], "one 2": [] });
  leader.receive({ kind: "dial", socket: "one 2", tab: "tab of one" });
  assert.deepEqual(news()["one 2"], [{ kind: "opened" }]);
  assert.equal(sockets.length, 2);
  for (const name of ["own", "one"]) leader.receive({ kind: "close", socket: name, code: 1000 });
  assert.equal(socket.closed, undefined);
  leader.receive({ kind: "close", socket: "two", code: 1000 });
  assert.equal(socket.closed, 1000);
});

test("the end is everybody's, but for what is one tab's own fault", () => {
  const ends = (code, prepare = () => {}) => {
    const it = rig();
    prepare(it);
    it.news();
    it.socket.ends(code, "why");
    return Object.values(it.news()).map(([{ kind, code, reason }]) => [kind, code, reason]);
  };
  const why = (code) => ["end", code, "why"];
  const lost = ["end", 1006, ""];
  assert.deepEqual(ends(1012), [why(1012), why(1012), why(1012)]);
  // The others have a token of their own.
  assert.deepEqual(ends(4001), [why(4001), lost, lost]);
  const large = (it) => {
    it.up("own", { type: "send_message", roomId: "r", content: "small" });
    it.up("two", { type: "send_message", roomId: "r", content: "x".repeat(1000) });
  };
  assert.deepEqual(ends(1009, large), [lost, lost, why(1009)]);
});

test("a frame counts as taken when the real socket has taken it, and those before it", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { up, socket, news } = rig();
  news();
  socket.stuffed = true;
  up("one", { type: "send_message", roomId: "r", content: "1" });
  up("two", { type: "send_message", roomId: "r", content: "22" });
  t.mock.timers.tick(1000);
  assert.deepEqual(news(), { own: [], one: [], two: [] });
  socket.bufferedAmount = 0;
  t.mock.timers.tick(1000);
  const { one, two } = news();
  const taken = [...one, ...two];
  assert.deepEqual(taken.map(({ kind, size }) => [kind, size]), [["taken", 50], ["taken", 51]]);
});

test("a tab that leaves too much lying is let go, and the others hear on", () => {
  const { leader, socket, news, heard, join } = rig();
  join("own", "j1", 0);
  join("one", "j1", 0);
  join("two", "j1", 0);
  const big = "x".repeat(1 << 20);
  for (let seq = 1; seq <= 40; seq++) {
    socket.says(message(seq, { content: big }));
    leader.receive({ kind: "took", socket: "two", size: 1 << 20 });
  }
  assert.equal(heard.one.at(-1).code, 4012);
  assert.ok(seqs(heard).one.length <= 16);
  const { own, two } = seqs(news());
  assert.deepEqual([own.length, two.length], [40, 40]);
});

test("on a plain server the first join of a room and the last leave are for the server, and its messages for those who joined", () => {
  const { up, sent, socket, news } = rig({ greeting: null });
  up("own", { type: "join_room", roomId: "r" });
  up("one", { type: "join_room", roomId: "r" });
  assert.deepEqual(sent(), [{ type: "join_room", roomId: "r" }]);
  news();
  const plain = { type: "message", roomId: "r", userId: "bob", content: "hi", timestamp: "t" };
  socket.says(plain);
  assert.deepEqual(news(), { own: [plain], one: [plain], two: [] });
  up("own", { type: "leave_room", roomId: "r" });
  assert.deepEqual(sent(), []);
  socket.says(plain);
  assert.deepEqual(seqs(news()), { own: [], one: [undefined], two: [] });
  up("one", { type: "leave_room", roomId: "r" });
  assert.deepEqual(sent(), [{ type: "leave_room", roomId: "r" }]);
  // What is about no request and no room is for all.
  socket.says({ type: "error", message: "Invalid JSON" });
  assert.deepEqual(Object.values(news()).map(([{ message }]) => message), Array(3).fill("Invalid JSON"));
});

test("a join that was made before the server was known to be plain needs no answer", () => {
  const { up, sent, socket } = rig({ greeting: null });
  up("own", { type: "join_room", ref: "j1", roomId: "r" });
  up("one", { type: "join_room", ref: "j1", roomId: "r" });
  assert.equal(sent().length, 1);
  socket.says({ type: "user_joined", roomId: "r", userId: "bob" });
  // A tab that has just come does not know yet.
  up("two", { type: "join_room", ref: "j1", roomId: "r" });
  for (const name of ["own", "one"]) up(name, { type: "leave_room", roomId: "r" });
  assert.deepEqual(sent(), []);
  up("two", { type: "leave_room", roomId: "r" });
  assert.equal(sent().length, 1);
});

test("what is no frame is told to all, and ends nothing", () => {
  const { socket, leader, heard } = rig();
  const told = [];
  leader.context.deliver = (name, { text }) => told.push([name, text]);
  leader.context.post = (names, { text }) => names.forEach((name) => told.push([name, text]));
  for (const text of ["no JSON", "null", "5", '{"no":"type"}']) {
    socket.says(text);
    assert.deepEqual(told.splice(0).sort(), [["one", text], ["own", text], ["two", text]]);
  }
  assert.ok(Object.values(heard).flat().every(({ kind }) => kind != "end"));
});
