// Servers of another make: JSON as bytes, half a surrogate pair, texts that are no frame, rooms that let nobody in for now.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { installed } from "./installed.mjs";

const { connect } = await installed("node.js");

const hello = {
  type: "hello", v: 1, userId: "ada", serverTime: 0, heartbeatMs: 30000, dedupeWindowMs: 600000, reconnect: { windowMs: 1000 },
  limits: { frameBytes: 65536, contentBytes: 8192, rooms: 256, inFlight: 64, replay: 200 },
};
const message = { type: "message", roomId: "lobby", userId: "eve", content: "hi", timestamp: "2026-11-28T10:00:00.000Z" };

/** A server that says `first` to whoever comes, and answers each frame with what `answer` gives. */
async function server(t, first, answer = () => []) {
  const server = new WebSocketServer({ port: 0 });
  t.after(() => (server.clients.forEach((socket) => socket.terminate()), server.close()));
  await once(server, "listening");
  server.on("connection", (socket) => {
    first.forEach((data) => socket.send(data));
    socket.on("message", (text) => answer(JSON.parse(text)).forEach((data) => socket.send(data)));
  });
  return `ws://127.0.0.1:${server.address().port}/ws`;
}

/** A client, and everything of these events. */
async function client(t, url, ...events) {
  const client = await connect(url, { webSocket: WebSocket, token: "ada", rooms: ["lobby"] });
  t.after(() => client.close({ timeout: 0 }));
  const told = [];
  for (const name of events) client.on(name, (event) => told.push([name, event]));
  return { client, told };
}

const heard = (client, name) => new Promise((resolve) => client.once(name, resolve));

test("JSON in binary frames is read as JSON", async (t) => {
  const url = await server(t, [], ({ type }) => (type == "join_room" ? [Buffer.from(JSON.stringify(message))] : []));
  const { client: ada } = await client(t, url);
  assert.equal((await heard(ada, "message")).content, "hi");
  assert.equal(ada.diagnostics().garbledFrames, 0);
});

test("half a surrogate pair from a server becomes U+FFFD and costs no message", async (t) => {
  const half = JSON.stringify({ ...message, data: { "\ud83d": ["\ude00", "😀", "\\ud83d"] }, content: "look \ud83d" });
  const url = await server(t, [], ({ type }) => (type == "join_room" ? [half] : []));
  const { client: ada } = await client(t, url);
  const { content, data } = await heard(ada, "message");
  assert.deepEqual([content, data], ["look \ufffd", { "\ufffd": ["\ufffd", "😀", "\\ud83d"] }]);
});

test("the server's words of a refusal are those of the join or the send that it refuses", async (t) => {
  const refuse = (type, ref, code, message, roomId) => JSON.stringify({ type, ref, roomId, code, retry: false, message });
  const url = await server(t, [JSON.stringify(hello)], ({ type, ref, roomId }) =>
    type == "join_room" && roomId == "staff" ? [refuse("error", ref, "forbidden", "staff only, ask Eve", roomId)]
    : type == "join_room" ? [JSON.stringify({ type: "joined", ref, roomId, epoch: "e", seq: 0, replay: 0, recovered: false, reason: "fresh", members: [] })]
    : type == "send_message" ? [refuse("nack", ref, "bad_request", "no links here")]
    : [],
  );
  const { client: ada, told } = await client(t, url, "room");
  await assert.rejects(ada.join("staff"), { code: "forbidden", message: 'the room was not joined: "staff": staff only, ask Eve' });
  const [, refused] = told.find(([, { room, code }]) => room == "staff" && code);
  assert.deepEqual(refused, { room: "staff", state: "failed", code: "forbidden", message: "staff only, ask Eve" });
  await assert.rejects(ada.send("lobby", "http://"), { outcome: "failed", code: "bad_request", message: "not sent: no links here" });
});

test("what is no frame is told once for each connection and then counted", async (t) => {
  const url = await server(t, [], ({ type }) => (type == "join_room" ? ["ping", "ping", "ping", JSON.stringify(message)] : []));
  const { client: ada, told } = await client(t, url, "error");
  await heard(ada, "message");
  assert.equal(told.length, 1);
  assert.equal(told[0][1].code, "garbled");
  assert.equal(ada.diagnostics().garbledFrames, 3);
});

test("a frame that is not as it has to be is told with the field", async (t) => {
  for (const [change, words] of [
    [{ userId: undefined }, 'frame "message": userId is missing or of another kind'],
    [{ userId: { id: 5 } }, 'frame "message": userId is missing or of another kind'],
    [{ content: null }, 'frame "message": content is missing or of another kind'],
    [{ roomId: ["lobby"] }, 'frame "message": roomId is missing or of another kind'],
  ]) {
    const url = await server(t, [], ({ type }) => (type == "join_room" ? [JSON.stringify({ ...message, ...change }), JSON.stringify(message)] : []));
    const { client: ada, told } = await client(t, url, "error");
    await heard(ada, "message");
    assert.deepEqual(told, [["error", { message: words, code: "garbled" }]]);
  }
});

test("a room and a user that are numbers are their digits", async (t) => {
  const { type: _, ...fields } = message;
  const frames = ["user_joined", "message"].map((type) => JSON.stringify({ ...fields, type, roomId: 5, userId: 7 }));
  const url = await server(t, [], ({ type, roomId }) => (type == "join_room" && roomId == "5" ? frames : []));
  const { client: ada, told } = await client(t, url, "error", "user_joined", "message");
  ada.join("5");
  await heard(ada, "message");
  assert.deepEqual(told.map(([name, { room, user }]) => [name, room, user]), [["user_joined", "5", "7"], ["message", "5", "7"]]);
});

test("a room that lets nobody in for now is told once, with its code", async (t) => {
  let joins = 0;
  const url = await server(t, [JSON.stringify(hello)], ({ type, ref, roomId }) => {
    if (type != "join_room") return [];
    const full = { type: "error", ref, roomId, code: "room_full", retry: true, retryAfterMs: 0, message: "the room is full" };
    const joined = { type: "joined", ref, roomId, epoch: "e", seq: 0, replay: 0, recovered: false, reason: "fresh" };
    return [JSON.stringify(++joins < 3 ? full : joined)];
  });
  const { client: ada, told } = await client(t, url, "room");
  await ada.join("lobby");
  assert.deepEqual(told.map(([, event]) => event).filter(({ code }) => code), [
    { room: "lobby", state: "joining", code: "room_full", message: "the room is full", willRetry: true },
  ]);
  assert.equal(joins, 3);
});

test("a refusal without a ref is about the oldest message without an answer", async (t) => {
  const url = await server(t, [JSON.stringify(hello)], ({ type, ref, roomId, content }) => {
    const joined = { type: "joined", ref, roomId, epoch: "e", seq: 0, replay: 0, recovered: false, reason: "fresh" };
    if (type == "join_room") return [JSON.stringify(joined)];
    if (type != "send_message") return [];
    if (content == "no") return [JSON.stringify({ type: "nack", code: "forbidden", retry: false, message: "no" })];
    return [JSON.stringify({ type: "ack", ref, roomId, id: "m1", epoch: "e", seq: 1, timestamp: message.timestamp })];
  });
  const { client: ada } = await client(t, url);
  await ada.ready();
  const [no, yes] = await Promise.allSettled([ada.send("lobby", "no"), ada.send("lobby", "yes")]);
  assert.equal(no.reason.code, "forbidden");
  assert.equal(yes.value.status, "acked");
});

test("what a server refuses every time has failed for that reason and in its words, also behind another refused one", async (t) => {
  for (const code of ["rate_limited", "overloaded", "internal", "not_joined"]) {
    const url = await server(t, [JSON.stringify(hello)], ({ type, ref, roomId }) =>
      type == "join_room" ? [JSON.stringify({ type: "joined", ref, roomId, epoch: "e", seq: 0, replay: 0, recovered: false, reason: "fresh" })]
      : type == "send_message" ? [JSON.stringify({ type: "nack", ref, code, retry: code != "not_joined", retryAfterMs: 20, message: "not today" })]
      : [],
    );
    const { client: ada } = await client(t, url);
    await ada.ready();
    const outcomes = await Promise.allSettled(["one", "two"].map((text) => ada.send("lobby", text, { timeout: 700 })));
    for (const { reason } of outcomes) {
      const { outcome, message } = reason;
      assert.deepEqual([outcome, reason.code, message], ["failed", code, "not sent: not today"], code);
    }
  }
});

test("a code of the server's own is told as it is, beside the words that begin with it", async (t) => {
  const own = { code: "ROOM_SHUT", message: "come back on Monday" };
  const url = await server(t, [JSON.stringify(hello)], ({ type, ref, roomId }) =>
    type == "join_room" && roomId == "staff" ? [JSON.stringify({ ...own, type: "error", ref, roomId, retry: true, retryAfterMs: 20_000 })]
    : type == "join_room" ? [JSON.stringify({ type: "joined", ref, roomId, epoch: "e", seq: 0, replay: 0, recovered: false, reason: "fresh" })]
    : type == "send_message" ? [JSON.stringify({ ...own, type: "nack", ref, retry: false })]
    : type == "presence" ? [JSON.stringify({ ...own, type: "error", ref: "x" }), JSON.stringify({ type: "left", roomId, code: "BANNED" })]
    : [],
  );
  const { client: ada, told } = await client(t, url, "room", "error");
  await ada.ready();
  ada.join("staff", { signal: AbortSignal.timeout(10_000) }).catch(() => {});
  const message = "ROOM_SHUT: come back on Monday";
  const refused = await ada.send("lobby", "hi").catch((error) => error);
  assert.deepEqual([refused.code, refused.serverCode, refused.message], ["other", "ROOM_SHUT", `not sent: ${message}`]);
  const gone = new Promise((resolve) => ada.on("room", (event) => event.room == "lobby" && event.code && resolve(event)));
  ada.presence("lobby");
  assert.deepEqual(await gone, { room: "lobby", state: "removed", code: "other", serverCode: "BANNED" });
  const of = (name) => told.filter(([kind, event]) => kind == name && event.code).map(([, event]) => event);
  assert.deepEqual(of("error"), [{ code: "other", serverCode: "ROOM_SHUT", message }]);
  assert.deepEqual(of("room")[0], { room: "staff", state: "joining", code: "other", message, serverCode: "ROOM_SHUT", willRetry: true });
});
