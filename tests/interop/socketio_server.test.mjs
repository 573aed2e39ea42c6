// Our server and the Socket.IO client that everybody uses.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { inTime } from "./journal.mjs";
import { extendedInLobby, plainInLobby } from "./lobby.mjs";
import { freePort } from "./ports.mjs";
import { RejoinServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const start = (t, ...args) => RejoinServer.start(t, "--listen", "127.0.0.1:0", ...args);

const WEBSOCKET = { transports: ["websocket"] };
const POLLING = { transports: ["polling"] };

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const sortedFields = (object) => Object.keys(object).sort();

/** An HTTP request to the server; status, headers and body. */
async function request(server, method, path, { headers = {}, body } = {}) {
  const sent = http.request({ port: server.port, host: "127.0.0.1", method, path, headers });
  sent.end(body);
  const [response] = await inTime(once(sent, "response"), `the answer to ${method} ${path}`);
  let text = "";
  for await (const data of response.setEncoding("utf8")) text += data;
  return { status: response.statusCode, headers: response.headers, body: text };
}

const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

/** A session that is polled by hand; `say` and `hear` are one request each. */
async function polled(server) {
  const opened = await request(server, "GET", HANDSHAKE);
  assert.equal(opened.status, 200, opened.body);
  const { sid } = JSON.parse(opened.body.slice(1));
  const path = `${HANDSHAKE}&sid=${sid}`;
  return {
    path,
    say: (...packets) => request(server, "POST", path, { body: packets.join("\x1e") }),
    hear: async () => (await request(server, "GET", path)).body.split("\x1e"),
  };
}

describe("our server, judged by socket.io-client", { concurrency: 2 }, () => {
  for (const [how, options, transport] of [
    ["polling first and a WebSocket then", {}, "websocket"],
    ["a WebSocket alone", WEBSOCKET, "websocket"],
    ["polling alone", POLLING, "polling"],
  ]) {
    it(`brings messages both ways with ${how}`, async (t) => {
      const server = await start(t);
      const ada = await SocketIoClient.open(t, server, "ada", options);
      if (how.startsWith("polling first")) await ada.upgraded();
      const joined = await ada.ask("join_room", { roomId: "lobby" });
      assert.deepEqual(joined, { ok: true, roomId: "lobby", members: ["ada"] });
      const bob = await plainInLobby(t, server, "bob");
      assert.deepEqual(await ada.event("user_joined"), [{ roomId: "lobby", userId: "bob" }]);
      const sent = await ada.ask("send_message", { roomId: "lobby", content: "hi" });
      assert.deepEqual(sortedFields(sent), ["id", "ok", "seq", "timestamp"]);
      assert.equal(sent.ok, true);
      const { frame } = await bob.said("ada", "hi");
      const own = await ada.said("hi");
      assert.deepEqual(own, { roomId: "lobby", userId: "ada", content: "hi", timestamp: frame.timestamp });
      assert.match(own.timestamp, TIMESTAMP);
      assert.equal(own.timestamp, sent.timestamp);
      await bob.send("lobby", "hello ada");
      assert.deepEqual(sortedFields(await ada.said("hello ada")), ["content", "roomId", "timestamp", "userId"]);
      assert.equal(ada.transport, transport);
      for (const { event, args } of ada.events) {
        assert.equal(args.length, event === "message" ? 2 : 1, "an event has one argument, and a message its offset");
      }
      await bob.finish();
    });
  }

  it("lets many messages through in order while the transport changes", async (t) => {
    const server = await start(t);
    const bob = await plainInLobby(t, server, "bob");
    const ada = await SocketIoClient.open(t, server, "ada");
    ada.emit("join_room", { roomId: "lobby" });
    await bob.joined("ada");
    const contents = Array.from({ length: 400 }, (_, n) => `n${n}`);
    for (const content of contents) {
      ada.emit("send_message", { roomId: "lobby", content });
      void bob.send("lobby", `bob ${content}`);
      await new Promise(setImmediate);
    }
    await ada.upgraded();
    await bob.said("ada", "n399");
    await ada.said("bob n399");
    await ada.settled("lobby");
    const of = (user, messages) => messages.filter(({ userId }) => userId === user).map(({ content }) => content);
    const heard = ada.events.filter(({ event }) => event === "message").map(({ args }) => args[0]);
    assert.deepEqual(of("ada", heard).filter((content) => content.startsWith("n")), contents);
    assert.deepEqual(of("bob", heard), contents.map((content) => `bob ${content}`));
    const seen = bob.frames.filter(({ type }) => type === "message");
    assert.deepEqual(of("ada", seen).filter((content) => content.startsWith("n")), contents);
    await bob.finish();
  });

  it("refuses a token of nobody with the code, and lets the next one in", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "rejoin-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "tokens"), "s3cret ada\n");
    const server = await start(t, "--auth", `tokens=${join(folder, "tokens")}`);
    for (const options of [{}, WEBSOCKET, POLLING]) {
      const ada = new SocketIoClient(t, server, "guess", options);
      const { connectError, data } = await ada.refused();
      assert.equal(connectError, "Unauthorized");
      assert.deepEqual(data, { code: "unauthorized", retry: false });
      assert.equal(ada.socket.active, false, "the client does not come back by itself");
      ada.socket.auth = { token: "s3cret" };
      ada.socket.connect();
      await ada.connected();
      assert.deepEqual(await ada.ask("join_room", { roomId: "lobby" }), { ok: true, roomId: "lobby", members: ["ada"] });
      ada.socket.disconnect();
    }
    const nobody = new SocketIoClient(t, server, undefined, { auth: {} });
    assert.equal((await nobody.refused()).connectError, "Unauthorized");
  });

  it("takes another token on an open connection, and ends one whose token has ended", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "rejoin-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "tokens"), "first ada 3\nsecond ada 0\nbrief bob 1\n");
    const server = await start(t, "--auth", `tokens=${join(folder, "tokens")}`);
    const ada = await SocketIoClient.open(t, server, "first");
    const bob = await SocketIoClient.open(t, server, "brief", WEBSOCKET);
    const [{ inMs }] = await ada.event("auth_expiring");
    assert.ok(inMs > 0 && inMs < 3_000, `${inMs}`);
    const refused = await ada.ask("auth", { token: "guess" });
    assert.deepEqual([refused.ok, refused.code], [false, "forbidden"]);
    assert.deepEqual(await ada.ask("auth", { token: "second" }), { ok: true });
    await bob.disconnected();
    assert.equal((await bob.refused()).connectError, "Unauthorized");
    assert.equal((await ada.ask("join_room", { roomId: "lobby" })).ok, true);
  });

  it("knows one namespace and refuses the others without harm to it", async (t) => {
    const server = await start(t);
    const ada = await SocketIoClient.open(t, server, "ada", WEBSOCKET);
    const admin = ada.socket.io.socket("/admin", { auth: { token: "ada" } });
    const [error] = await inTime(once(admin, "connect_error"), "the refusal");
    assert.equal(error.message, "Invalid namespace");
    assert.equal((await ada.ask("join_room", { roomId: "lobby" })).ok, true);
  });

  it("puts Socket.IO users into the same rooms as all others", async (t) => {
    const server = await start(t);
    const bob = await plainInLobby(t, server, "bob");
    const cyd = await extendedInLobby(t, server, "cyd");
    const ada = await SocketIoClient.open(t, server, "ada");
    const { members } = await ada.ask("join_room", { roomId: "lobby" });
    assert.deepEqual(members.sort(), ["ada", "bob", "cyd"]);
    await bob.joined("ada");
    await cyd.frame("user_joined", ({ userId }) => userId === "ada");
    ada.emit("send_message", { roomId: "lobby", content: "to all", data: { color: "red" } });
    await bob.said("ada", "to all");
    const { data } = await cyd.frame("message", ({ content }) => content === "to all");
    assert.deepEqual(data, { color: "red" });
    cyd.say({ type: "send_message", roomId: "lobby", content: "from cyd", ref: "s", data: [1] });
    const said = await ada.said("from cyd");
    assert.deepEqual(sortedFields(said), ["content", "data", "roomId", "timestamp", "userId"]);
    assert.deepEqual(said.data, [1]);
    cyd.say({ type: "signal", roomId: "lobby", kind: "typing" });
    assert.deepEqual(await ada.event("signal"), [{ roomId: "lobby", userId: "cyd", kind: "typing" }]);
    ada.emit("signal", { roomId: "lobby", kind: "typing", data: 1 });
    await cyd.frame("signal", ({ userId, data }) => userId === "ada" && data === 1);
    ada.emit("presence", { roomId: "lobby" });
    const [presence] = await ada.event("presence");
    assert.deepEqual(presence.members.sort(), ["ada", "bob", "cyd"]);
    cyd.say({ type: "leave_room", roomId: "lobby", ref: "l" });
    assert.deepEqual(await ada.event("user_left"), [{ roomId: "lobby", userId: "cyd" }]);
    await bob.finish();
  });

  it("tells at once of a user who says goodbye, and later of one who is lost", async (t) => {
    const server = await start(t);
    const cyd = await extendedInLobby(t, server, "cyd");
    const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby");
    await cyd.frame("user_joined", ({ userId }) => userId === "ada");
    const dan = await SocketIoClient.inRoom(t, server, "dan", "lobby", { ...WEBSOCKET, reconnection: false });
    dan.socket.io.engine.transport.ws.terminate();
    await dan.disconnected();
    ada.socket.disconnect();
    await cyd.frame("user_left", ({ userId }) => userId === "ada");
    // Dan, who was gone before, is still expected back.
    cyd.say({ type: "presence", roomId: "lobby" });
    const { members } = await cyd.frame("presence");
    assert.deepEqual(members.sort(), ["cyd", "dan"]);
  });

  it("answers each mistake where it was made, and goes on", async (t) => {
    const server = await start(t, "--max-content", "100");
    const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", WEBSOCKET);
    const refused = async (code, event, ...args) => {
      const { ok, retry, message, ...rest } = await ada.ask(event, ...args);
      assert.deepEqual([ok, typeof retry, typeof message], [false, "boolean", "string"]);
      assert.deepEqual(rest, { code });
    };
    await refused("not_joined", "send_message", { roomId: "elsewhere", content: "hi" });
    await refused("too_large", "send_message", { roomId: "lobby", content: "x".repeat(101) });
    await refused("bad_request", "send_message", { roomId: "lobby", content: 7 });
    await refused("bad_request", "send_message");
    await refused("bad_request", "join_room", { roomId: "" });
    await refused("bad_request", "join_room", "lobby");
    await refused("bad_request", "join_room", { roomId: "@ada" });
    await refused("bad_request", "launch", { roomId: "lobby" });
    await refused("bad_request", "presence", { roomId: "lobby" });
    await refused("bad_request", "send_message", { roomId: "lobby", content: Buffer.from("hi") });
    const errors = [
      ["send_message", { roomId: "lobby" }, "send_message needs a string roomId and a string content"],
      ["send_message", { roomId: "elsewhere", content: "hi" }, "join the room before sending to it"],
      ["join_room", null, "join_room needs a string roomId"],
      ["send_message", { roomId: "lobby", content: Buffer.from("hi") }, "send_message needs a string roomId and a string content"],
    ];
    for (const [event, payload, message] of errors) {
      ada.emit(event, payload);
      assert.deepEqual(await ada.event("error"), [{ message }]);
    }
    ada.emit("launch", { roomId: "lobby" });
    await ada.settled("lobby");
    assert.equal(ada.events.filter(({ event }) => event === "error").length, errors.length);
    assert.deepEqual(await ada.ask("leave_room", { roomId: "lobby" }), { ok: true, roomId: "lobby" });
    await refused("not_joined", "send_message", { roomId: "lobby", content: "hi" });
  });

  it("tells a client that sends too fast when to go on", async (t) => {
    const server = await start(t, "--rate", "1");
    const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby");
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, n) => ada.ask("send_message", { roomId: "lobby", content: `n${n}` })),
    );
    const refused = answers.filter(({ ok }) => !ok);
    assert.ok(refused.length > 0 && refused.length < 5, JSON.stringify(answers));
    for (const { code, retry, retryAfterMs } of refused) {
      assert.deepEqual([code, retry], ["rate_limited", true]);
      assert.ok(retryAfterMs > 0);
    }
  });

  it("brings what was posted to the user and to the room by the admin listener", async (t) => {
    const admin = await freePort();
    const server = await start(t, "--admin", `127.0.0.1:${admin}`);
    for (const options of [WEBSOCKET, POLLING]) {
      const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", options);
      const post = async (path, body) => {
        const answer = await fetch(`http://127.0.0.1:${admin}${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        assert.ok(answer.ok, `${answer.status}`);
        return answer.json();
      };
      const { id } = await post("/users/ada/notifications", { kind: "order", data: { number: 7 } });
      const [notification] = await ada.event("notification");
      assert.deepEqual(sortedFields(notification), ["data", "epoch", "id", "kind", "seq"]);
      assert.deepEqual([notification.id, notification.kind, notification.data], [id, "order", { number: 7 }]);
      await post("/rooms/lobby/messages", { userId: "system", content: "maintenance" });
      assert.equal((await ada.said("maintenance")).userId, "system");
      ada.socket.disconnect();
    }
    const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    assert.match(metrics, /^rejoin_socketio_sessions_total 2$/m);
  });

  it("gives the past to a join that asks for it, and what was missed to one that knows where it was", async (t) => {
    const server = await start(t);
    const bob = await plainInLobby(t, server, "bob");
    for (let n = 0; n < 300; n++) void bob.send("lobby", `past ${n}`);
    await bob.settled("lobby");
    const ada = await SocketIoClient.open(t, server, "ada", { auth: { token: "ada", positions: true } });
    const joined = await ada.ask("join_room", { roomId: "lobby", history: 150 });
    assert.deepEqual(sortedFields(joined), ["epoch", "members", "ok", "reason", "recovered", "replay", "roomId", "seq"]);
    assert.deepEqual([joined.replay, joined.recovered, joined.reason], [150, false, "fresh"]);
    const [, position] = await ada.event("message", (message) => message.content === "past 200");
    assert.deepEqual(sortedFields(position), ["epoch", "id", "seq"]);
    const again = await SocketIoClient.open(t, server, "ada", POLLING);
    const { recovered, replay } = await again.ask("join_room", { roomId: "lobby", since: position });
    assert.equal(recovered, true);
    await again.settled("lobby");
    const contents = again.events.filter(({ event }) => event === "message").map(({ args }) => args[0].content);
    assert.deepEqual(contents.slice(0, 99), Array.from({ length: 99 }, (_, n) => `past ${n + 201}`));
    assert.equal(replay, 100);
    await bob.finish();
  });

  it("comes back by itself to a server that was killed and started again", async (t) => {
    const server = await start(t);
    const clients = [];
    for (const options of [{}, WEBSOCKET, POLLING]) {
      const client = await SocketIoClient.open(t, server, "ada", options);
      if (options !== POLLING && options !== WEBSOCKET) await client.upgraded();
      clients.push(client);
    }
    server.kill("SIGKILL");
    for (const client of clients) await client.disconnected();
    const again = await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`);
    for (const client of clients) {
      await client.connected();
      assert.equal((await client.ask("join_room", { roomId: "lobby" })).ok, true);
    }
    again.kill("SIGKILL");
  });

  it("is drained so that its clients come back by themselves", async (t) => {
    const server = await start(t, "--drain", "1s");
    const clients = [];
    for (const options of [{}, WEBSOCKET, POLLING]) {
      const client = await SocketIoClient.inRoom(t, server, "ada", "lobby", options);
      if (options !== POLLING && options !== WEBSOCKET) await client.upgraded();
      clients.push(client);
    }
    server.kill("SIGTERM");
    for (const client of clients) {
      const reason = await client.disconnected();
      assert.notEqual(reason, "io server disconnect", "after that a client does not come back");
      assert.equal(client.socket.active, true);
    }
    assert.equal(await server.exited(), 0);
    await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`);
    for (const client of clients) await client.connected();
  });

  it("refuses more than there are places for, until one is free", async (t) => {
    // Where sessions can be recovered, whoever comes from the network of one is heard first.
    const server = await start(t, "--max-connections", "1", "--recovery", "0");
    const ada = await SocketIoClient.open(t, server, "ada");
    const full = await request(server, "GET", HANDSHAKE);
    assert.deepEqual([full.status, full.headers["retry-after"]], [503, "5"]);
    const bob = new SocketIoClient(t, server, "bob");
    await bob.refused();
    ada.socket.disconnect();
    await bob.connected();
  });

  it("hears on a full server who may have a session there, and lets nobody else in until a place is free", async (t) => {
    const server = await start(t, "--max-connections", "1");
    const ada = await SocketIoClient.open(t, server, "ada");
    assert.equal((await request(server, "GET", HANDSHAKE)).status, 200);
    const bob = new SocketIoClient(t, server, "bob");
    assert.equal((await ada.ask("join_room", { roomId: "lobby" })).ok, true);
    ada.socket.disconnect();
    await bob.connected();
  });

  it("refuses a user's connections beyond the limit in a way that can be tried again", async (t) => {
    const server = await start(t, "--max-user-connections", "1");
    await SocketIoClient.open(t, server, "ada");
    const second = new SocketIoClient(t, server, "ada");
    const { connectError, data } = await second.refused();
    assert.equal(connectError, "Too many connections");
    assert.deepEqual(data, { code: "overloaded", retry: true });
  });

  it("ends a client whose message is larger than it takes", async (t) => {
    const server = await start(t, "--max-frame", "2000");
    for (const options of [WEBSOCKET, POLLING]) {
      const ada = await SocketIoClient.inRoom(t, server, "ada", "lobby", options);
      ada.emit("send_message", { roomId: "lobby", content: "x".repeat(4000) });
      await ada.disconnected();
      await ada.connected();
      assert.equal((await ada.ask("join_room", { roomId: "lobby" })).ok, true);
      ada.socket.disconnect();
    }
  });

  it("keeps a client that answers its pings, and ends one that is silent", async (t) => {
    const server = await start(t, "--heartbeat", "1s");
    const cyd = await extendedInLobby(t, server, "cyd");
    const kept = [];
    for (const options of [{}, WEBSOCKET, POLLING]) {
      kept.push(await SocketIoClient.open(t, server, "ada", options));
    }
    const session = await polled(server);
    await session.say('40{"token":"dan"}', '42["join_room",{"roomId":"lobby"}]');
    await cyd.frame("user_joined", ({ userId }) => userId === "dan");
    for (let pings = 0; pings < 3; ) {
      const { status, body } = await request(server, "GET", session.path);
      assert.deepEqual([status, body === "1"], [200, false], "it answers its pings");
      if (body.split("\x1e").includes("2")) {
        pings++;
        await session.say("3");
      }
    }
    while ((await request(server, "GET", session.path)).status === 200);
    const gone = await request(server, "GET", session.path);
    assert.deepEqual([gone.status, JSON.parse(gone.body).code], [400, 1]);
    for (const client of kept) assert.equal(client.journal.entries.filter((entry) => "disconnect" in entry).length, 0);
  });

  it("ends a client that does not take what is said to it, and nobody else notices", async (t) => {
    const server = await start(t, "--rate", "none", "--heartbeat", "10m");
    const bob = await plainInLobby(t, server, "bob");
    const polling = await polled(server);
    await polling.say('40{"token":"ada"}', '42["join_room",{"roomId":"lobby"}]');
    await bob.joined("ada");
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`);
    t.after(() => socket.terminate());
    await once(socket, "open");
    socket.send('40{"token":"cyd"}');
    socket.send('42["join_room",{"roomId":"lobby"}]');
    await bob.joined("cyd");
    socket.pause();
    const closed = once(socket, "close");
    const content = "x".repeat(8_000);
    for (let n = 0; n < 2_000; n++) {
      void bob.send("lobby", `${n} ${content}`);
      if (n % 50 === 49) await bob.settled("lobby");
    }
    const packets = await request(server, "GET", polling.path);
    assert.ok(packets.status === 400 || packets.body.endsWith("\x1e1") || packets.body === "1", packets.body.slice(-50));
    socket.resume();
    await inTime(closed, "the end of the one that did not read");
    await bob.finish();
  });

  it("ends a session that says what it must not", async (t) => {
    const server = await start(t);
    for (const packets of [
      ['42["join_room",{"roomId":"lobby"}]'],
      ["hello"],
      ['40{"token":"ada"}', "42[]"],
      ['40{"token":"ada"}', '42["connect"]'],
      ['40{"token":"ada"}', "411-"],
      ['40{"token":"ada"}', "4511-[]"],
      ['40{"token":"ada"}', '451-["x",{"_placeholder":true,"num":0}]', '42["x"]'],
      ['40{"token":"ada"}', "bAQID"],
      ["40{}", "40{}", "40{}"],
    ]) {
      const session = await polled(server);
      const answer = session.hear();
      await session.say(...packets);
      const heard = await answer;
      // A poll that is read after the packets has no session any more.
      const isOver = (told) => told.includes("1") || told[0].includes("Session ID unknown");
      if (!isOver(heard)) assert.ok(isOver(await session.hear()), `${packets}: ${heard}`);
      assert.equal((await request(server, "GET", session.path)).status, 400);
    }
  });

  it("takes one poll at a time", async (t) => {
    const server = await start(t);
    const session = await polled(server);
    await session.say('40{"token":"ada"}');
    await session.hear();
    await Promise.all([session.hear(), session.hear()]);
    assert.equal((await request(server, "GET", session.path)).status, 400);
  });

  it("answers what is no request of its protocol in the protocol's words", async (t) => {
    const server = await start(t);
    for (const [method, path, status, code] of [
      ["GET", "/socket.io/", 400, 0],
      ["GET", "/socket.io/?EIO=4&transport=pigeon", 400, 0],
      ["GET", "/socket.io/?EIO=3&transport=polling", 400, 5],
      ["GET", "/socket.io/?EIO=4&transport=polling&sid=nobody", 400, 1],
      ["POST", "/socket.io/?EIO=4&transport=polling", 400, 2],
    ]) {
      const answer = await request(server, method, path);
      assert.deepEqual([answer.status, JSON.parse(answer.body).code], [status, code], path);
    }
    assert.equal((await request(server, "GET", "/socket.io/?EIO=4&transport=websocket")).status, 426);
    assert.equal((await request(server, "GET", "/socket.io?EIO=4&transport=polling")).status, 200);
    const session = await polled(server);
    assert.equal((await request(server, "DELETE", session.path)).status, 400);
    assert.equal((await request(server, "POST", session.path, { body: Buffer.from([0x34, 0xff]) })).status, 400);
  });

  it("lets pages of allowed origins poll, and no others", async (t) => {
    const server = await start(t, "--allow-origin", "https://chat.example");
    const ask = (method, origin) => request(server, method, HANDSHAKE, { headers: { origin } });
    const allowed = await ask("GET", "https://chat.example");
    assert.deepEqual(
      [allowed.status, allowed.headers["access-control-allow-origin"], allowed.headers.vary],
      [200, "https://chat.example", "Origin"],
    );
    assert.equal(allowed.headers["access-control-allow-credentials"], "true", "it is on the list by name");
    const preflight = await ask("OPTIONS", "https://chat.example");
    assert.equal(preflight.status, 204);
    assert.match(preflight.headers["access-control-allow-methods"], /POST/);
    for (const method of ["GET", "OPTIONS"]) {
      const refused = await ask(method, "https://evil.example");
      assert.deepEqual([refused.status, refused.headers["access-control-allow-origin"]], [403, undefined]);
      assert.equal(JSON.parse(refused.body).code, 4);
    }
    const extraHeaders = { origin: "https://evil.example" };
    for (const options of [WEBSOCKET, POLLING]) {
      await new SocketIoClient(t, server, "ada", { ...options, extraHeaders, reconnection: false }).refused();
    }
  });

  it("does to Socket.IO users what its faults say", async (t) => {
    const admin = await freePort();
    const server = await start(t, "--admin", `127.0.0.1:${admin}`);
    const fault = async (fault) => {
      const body = JSON.stringify(fault);
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`http://127.0.0.1:${admin}/faults`, { method: "POST", headers, body });
      assert.ok(answer.ok, `${answer.status}`);
    };
    for (const options of [WEBSOCKET, POLLING]) {
      const ada = await SocketIoClient.open(t, server, "ada", options);
      for (const kind of ["drop", "close"]) {
        await fault({ kind, user: "ada" });
        assert.notEqual(await ada.disconnected(), "io server disconnect");
        await ada.connected();
      }
      await ada.ask("join_room", { roomId: "lobby" });
      await fault({ kind: "duplicate", user: "ada" });
      await ada.settled("lobby");
      await fault({ kind: "delay", user: "ada", ms: 1 });
      await ada.settled("lobby");
      const heard = ada.events.filter(({ event }) => event === "message").map(({ args }) => args[0].content);
      assert.deepEqual([heard.length, new Set(heard).size, heard[0]], [3, 2, heard[1]]);
      await request({ port: admin }, "DELETE", "/faults");
      await fault({ kind: "delay", user: "ada", ms: 600_000 });
      ada.emit("send_message", { roomId: "lobby", content: "never heard" });
      await fault({ kind: "drop", user: "ada" });
      await ada.disconnected();
      await request({ port: admin }, "DELETE", "/faults");
      await ada.connected();
      await fault({ kind: "refuse", user: "ada", count: 2 });
      await fault({ kind: "close", user: "ada" });
      await ada.disconnected();
      await ada.connected();
      const waiting = await (await fetch(`http://127.0.0.1:${admin}/faults`)).json();
      assert.deepEqual(waiting, [], "it was refused twice before");
      ada.socket.disconnect();
    }
    await fault({ kind: "refuse", code: 502 });
    assert.equal((await request(server, "GET", HANDSHAKE)).status, 502);
    assert.equal((await request(server, "GET", HANDSHAKE)).status, 200);
  });

  it("gives the plain contract and no acknowledgements when it is told to be plain", async (t) => {
    const server = await start(t, "--plain");
    const ada = await SocketIoClient.open(t, server, "ada");
    let answered = false;
    ada.emit("join_room", { roomId: "lobby" }, () => (answered = true));
    ada.emit("send_message", { roomId: "lobby", content: "hi" }, () => (answered = true));
    ada.emit("launch", { roomId: "lobby" }, () => (answered = true));
    assert.deepEqual(sortedFields(await ada.said("hi")), ["content", "roomId", "timestamp", "userId"]);
    await ada.settled("lobby");
    assert.equal(answered, false);
    assert.ok(ada.events.every(({ event }) => event === "message"));
  });
});
