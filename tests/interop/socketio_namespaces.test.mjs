// Namespaces of our server, judged by the Socket.IO client that everybody uses.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { io } from "socket.io-client";
import { inTime } from "./journal.mjs";
import { plainInLobby } from "./lobby.mjs";
import { Rejoin, RejoinServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const WEBSOCKET = { transports: ["websocket"] };
const POLLING = { transports: ["polling"] };
const TRANSPORTS = [{}, WEBSOCKET, POLLING];

/** A server with these namespaces, and an admin listener that `post` talks to. */
async function start(t, namespaces, ...args) {
  const named = namespaces.flatMap((name) => ["--namespace", name]);
  const server = await RejoinServer.withAdmin(t, ...named, ...args);
  server.post = async (path, body) => {
    const answer = await server.request("POST", path, body);
    assert.ok(answer.ok, `${answer.status}`);
    return answer.json();
  };
  server.remove = async (path) => assert.ok((await server.request("DELETE", path)).ok);
  return server;
}

const numbers = (client) =>
  client.events.filter(({ event }) => event === "notification").map(({ args }) => args[0].data.number);

describe("namespaces of our server, judged by socket.io-client", { concurrency: 2 }, () => {
  it("serves a front end that was written for notifications as it is", async (t) => {
    const server = await start(t, ["/notifications=personal"]);
    for (const options of TRANSPORTS) {
      const token = "ada";
      // As the documentation of Socket.IO has it, word for word.
      const socket = io(`http://127.0.0.1:${server.port}/notifications`, { ...options, forceNew: true, auth: { token } });
      t.after(() => socket.disconnect());
      const heard = once(socket, "notification");
      await inTime(once(socket, "connect"), "the connection");
      const { id } = await server.notify("ada", 7);
      const [notification] = await inTime(heard, "the notification");
      assert.deepEqual([notification.id, notification.kind, notification.data], [id, "order", { number: 7 }]);
    }
  });

  it("serves several namespaces over one connection, each with its own token and id", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "rejoin-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "tokens"), "one ada\ntwo bob\n");
    const server = await start(t, ["/notifications=personal", "/chat"], "--auth", `tokens=${join(folder, "tokens")}`);
    for (const options of TRANSPORTS) {
      const ada = await SocketIoClient.open(t, server, "one", options);
      const bob = await ada.beside(t, "/chat", "two");
      assert.notEqual(ada.socket.id, bob.socket.id);
      assert.equal(ada.socket.io.engine, bob.socket.io.engine);
      const nobody = new SocketIoClient(t, undefined, "guess", { namespace: "/notifications", manager: ada.socket.io });
      const { connectError, data } = await nobody.refused();
      assert.deepEqual([connectError, data], ["Unauthorized", { code: "unauthorized", retry: false }]);
      const unknown = new SocketIoClient(t, undefined, "one", { namespace: "/nowhere", manager: ada.socket.io });
      assert.equal((await unknown.refused()).connectError, "Invalid namespace");
      assert.deepEqual((await bob.join("lobby")).members, ["bob"]);
      assert.deepEqual((await ada.join("lobby")).members, ["ada"]);
      // The one goes and the other stays; then it comes back.
      bob.socket.disconnect();
      await ada.settled("lobby");
      bob.socket.connect();
      await bob.connected();
      assert.deepEqual((await bob.join("lobby")).members, ["bob"]);
      ada.socket.disconnect();
      await bob.settled("lobby");
    }
  });

  it("keeps the rooms of namespaces apart, and says how others reach them", async (t) => {
    const server = await start(t, ["/chat", "/support"]);
    const main = await SocketIoClient.inRoom(t, server, "ada", "lobby", WEBSOCKET);
    const chat = await main.beside(t, "/chat", "bob");
    const support = await SocketIoClient.open(t, server, "cyd", { namespace: "/support" });
    await chat.join("lobby");
    await support.join("lobby");
    const dan = await plainInLobby(t, server, "dan");
    for (const client of [main, chat, support]) {
      const sent = await client.send("lobby", `of ${client.socket.nsp}`);
      assert.equal(sent.ok, true, JSON.stringify(sent));
      assert.equal((await client.said(`of ${client.socket.nsp}`)).roomId, "lobby");
    }
    await dan.said("ada", "of /");
    const { id } = await server.post("/rooms/%2Fchat,lobby/messages", { userId: "system", content: "for the chat" });
    assert.ok(id);
    assert.deepEqual((await chat.said("for the chat", "system")).roomId, "lobby");
    const eve = await SocketIoClient.inRoom(t, server, "eve", "/chat,lobby");
    await chat.sees("eve");
    await eve.send("/chat,lobby", "from outside");
    await chat.said("from outside", "eve");
    for (const client of [main, support]) await client.settled("lobby");
    for (const [client, own] of [[main, "of /"], [support, "of /support"]]) {
      const heard = client.events.filter(({ event, args }) => event === "message" && !args[0].content.startsWith("settled"));
      assert.deepEqual(heard.map(({ args }) => args[0].content), [own]);
    }
    await dan.settled("lobby");
    await dan.finish();
  });

  it("brings a notification once to a client with two namespaces, and to the other one when the first has gone", async (t) => {
    const server = await start(t, ["/notifications=personal", "/chat"]);
    for (const [user, options] of [["ada", {}], ["bob", WEBSOCKET], ["cyd", POLLING]]) {
      const main = await SocketIoClient.open(t, server, user, options);
      const chat = await main.beside(t, "/chat", user);
      await server.notify(user, 1);
      await main.event("notification");
      const inbox = await main.beside(t, "/notifications", user);
      await server.notify(user, 2);
      await inbox.event("notification");
      inbox.socket.disconnect();
      await main.join("room");
      await server.notify(user, 3);
      await main.event("notification", ({ data }) => data.number === 3);
      assert.deepEqual([numbers(main), numbers(inbox), numbers(chat)], [[1, 3], [2], []]);
      main.socket.disconnect();
      chat.socket.disconnect();
    }
  });

  it("takes a user's notifications for no other user who shares the connection", async (t) => {
    const server = await start(t, ["/notifications=personal"]);
    for (const options of TRANSPORTS) {
      const ada = await SocketIoClient.open(t, server, "ada", options);
      const bob = await ada.beside(t, "/notifications", "bob");
      for (const user of ["ada", "bob"]) await server.notify(user, 1);
      for (const client of [ada, bob]) await client.event("notification");
      assert.deepEqual([numbers(ada), numbers(bob)], [[1], [1]]);
    }
  });

  it("has no rooms in a personal namespace, but the stream's past", async (t) => {
    const server = await start(t, ["/notifications=personal"]);
    for (let number = 0; number < 5; number++) await server.notify("ada", number);
    const ada = await SocketIoClient.open(t, server, "ada", { ...WEBSOCKET, namespace: "/notifications" });
    const { ok, code } = await ada.ask("join_room", { roomId: "lobby" });
    assert.deepEqual([ok, code], [false, "forbidden"]);
    ada.emit("send_message", { roomId: "lobby", content: "hi" });
    const [{ message }] = await ada.event("error");
    assert.match(message, /no rooms/);
    const joined = await ada.ask("join_room", { roomId: "@me", history: 3 });
    assert.equal(joined.replay, 3);
    await ada.event("notification", ({ data }) => data.number === 4);
    assert.deepEqual(numbers(ada), [2, 3, 4]);
  });

  it("counts each namespace among the connections of its user, and ends all with a kick", async (t) => {
    const server = await start(t, ["/a", "/b"], "--max-user-connections", "2");
    const main = await SocketIoClient.open(t, server, "ada", WEBSOCKET);
    const second = await main.beside(t, "/a", "ada");
    const third = new SocketIoClient(t, undefined, "ada", { namespace: "/b", manager: main.socket.io });
    const { connectError, data } = await third.refused();
    assert.deepEqual([connectError, data], ["Too many connections", { code: "overloaded", retry: true }]);
    await server.remove("/users/ada?ban=600");
    for (const client of [main, second]) {
      assert.notEqual(await client.disconnected(), "io server disconnect");
      assert.equal((await client.refused()).data?.code, "forbidden");
    }
  });

  it("is drained with all namespaces, and they come back", async (t) => {
    const server = await start(t, ["/chat"], "--drain", "1s");
    const main = await SocketIoClient.open(t, server, "ada", WEBSOCKET);
    const chat = await main.beside(t, "/chat", "ada");
    server.kill("SIGTERM");
    for (const client of [main, chat]) await client.disconnected();
    assert.equal(await server.exited(), 0);
    await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`, "--namespace", "/chat");
    for (const client of [main, chat]) await client.connected();
  });

  it("serves our own client in a namespace", async (t) => {
    const server = await start(t, ["/chat"]);
    const ada = await SocketIoClient.open(t, server, "ada", { namespace: "/chat" });
    await ada.join("lobby");
    const url = `http://127.0.0.1:${server.port}/`;
    const bob = new Rejoin(t, "send", url, "from bob", "--room", "lobby", "--token", "bob", "--protocol", "socketio", "--namespace", "/chat");
    assert.equal((await ada.said("from bob", "bob")).roomId, "lobby");
    assert.equal(await bob.exited(), 0);
  });

  it("refuses namespaces that cannot be, with words", async (t) => {
    for (const [args, words] of [
      [["--namespace", "chat"], /a namespace is written like \/chat/],
      [["--namespace", "/"], /is there already/],
      [["--namespace", "/a=rooms"], /there is no other kind/],
      [["--namespace", "/a", "--namespace", "/a=personal"], /the namespace \/a is named twice/],
    ]) {
      const serve = new Rejoin(t, "serve", "--listen", "127.0.0.1:0", ...args);
      assert.equal(await serve.exited(), 2);
      assert.match(serve.stderr, words);
    }
  });
});
