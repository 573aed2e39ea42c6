// Connection state recovery by our server, judged by the Socket.IO client that everybody uses and by our own.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CuttingProxy } from "./cutting-proxy.mjs";
import { plainInLobby } from "./lobby.mjs";
import { Pipe, RejoinServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const WEBSOCKET = { transports: ["websocket"] };
const POLLING = { transports: ["polling"] };
const TRANSPORTS = [["polling first and a WebSocket then", {}], ["a WebSocket", WEBSOCKET], ["polling", POLLING]];

/** A server with an admin listener, and a proxy before it. */
async function start(t, ...args) {
  const server = await RejoinServer.withAdmin(t, ...args);
  /** Until so many lost sessions are kept. */
  server.lost = async (count) => {
    const line = new RegExp(`^rejoin_socketio_lost_sessions ${count}$`, "m");
    const expires = Date.now() + 30_000;
    while (!line.test(await (await server.request("GET", "/metrics")).text())) {
      assert.ok(Date.now() < expires, `never ${count} lost sessions`);
    }
  };
  return { server, proxy: await CuttingProxy.start(t, server.port) };
}

/** The next connection, and whether it was a recovery. */
const again = async (client) => (await client.connected()).found.recovered;

const heard = (client) => client.events.filter(({ event }) => event === "message").map(({ args }) => args[0].content);
const numbers = (client) =>
  client.events.filter(({ event }) => event === "notification").map(({ args }) => args[0].data.number);
const numbered = (from, to) => Array.from({ length: to - from }, (_, n) => `n${n + from}`);

describe("recovery by our server, judged by socket.io-client", { concurrency: 2 }, () => {
  for (const [how, options] of TRANSPORTS) {
    it(`gives back rooms and what was missed, in order and once, over ${how}`, async (t) => {
      const { server, proxy } = await start(t);
      const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", options);
      if (how.startsWith("polling first")) await ada.upgraded();
      const bob = await plainInLobby(t, server, "bob");
      await bob.send("lobby", "n0");
      await ada.said("n0");
      const { id } = ada.socket;
      let said = 1;
      // The second time the client has received nothing since the first, and the server is not told of the cut.
      for (const [quietly, count] of [[false, 6], [true, 0], [true, 6], [false, 300]]) {
        proxy.close({ quietly });
        await ada.disconnected();
        for (const content of numbered(said, said + count)) void bob.send("lobby", content);
        await bob.settled("lobby");
        await server.notify("ada", said);
        said += count;
        proxy.open();
        assert.equal(await again(ada), true);
        assert.equal(ada.socket.id, id);
        await bob.send("lobby", `live ${said}`);
        await ada.said(`live ${said}`);
        assert.equal((await ada.send("lobby", `own ${said}`)).ok, true, "it is in the room still");
        await ada.said(`own ${said}`);
      }
      const of = (prefix) => heard(ada).filter((content) => content.startsWith(prefix));
      assert.deepEqual(of("n"), numbered(0, said));
      assert.equal(of("live").length, 4);
      assert.deepEqual(numbers(ada), [1, 7, 7, 13]);
      await bob.finish();
    });
  }

  it("loses nothing and repeats nothing, wherever the connection is cut", async (t) => {
    const { server, proxy } = await start(t, "--history", "100000");
    const bob = await plainInLobby(t, server, "bob");
    for (const options of [WEBSOCKET, POLLING]) {
      const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", { ...options, reconnectionDelay: 5, reconnectionDelayMax: 10 });
      await bob.send("lobby", "first");
      await ada.said("first");
      // A fixed sequence, so that a failure comes again.
      let state = 1;
      proxy.cutAfter(() => 200 + (state = (state * 48271) % 2147483647) % 3_000);
      proxy.cut();
      const enough = proxy.cuts + 20;
      let said = 0;
      while (proxy.cuts < enough) {
        assert.ok(said < 100_000, `${proxy.cuts} cuts`);
        for (const content of numbered(said, said + 10)) void bob.send("lobby", content);
        said += 10;
        await bob.settled("lobby");
      }
      proxy.cutAfter(() => Infinity);
      proxy.cut();
      await bob.settled("lobby");
      await bob.send("lobby", "last");
      await ada.said("last");
      const own = heard(ada).filter((content) => content.startsWith("n"));
      assert.deepEqual(own, numbered(0, said));
      const connections = ada.journal.entries.filter(({ connect }) => connect);
      assert.ok(connections.slice(1).every(({ recovered }) => recovered));
      ada.socket.disconnect();
    }
    await bob.finish();
  });

  it("has each namespace go on by itself, and a notification come once", async (t) => {
    const { server, proxy } = await start(t, "--namespace", "/notifications=personal", "--namespace", "/chat");
    const main = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    const inbox = await main.beside(t, "/notifications", "ada");
    const chat = await main.beside(t, "/chat", "ada");
    await chat.join("lobby");
    const bob = await SocketIoClient.inRoom(t, server, "bob", "lobby", { namespace: "/chat" });
    await bob.send("lobby", "one");
    await server.notify("ada", 1);
    await chat.said("one");
    await inbox.event("notification");
    for (const number of [2, 3]) {
      proxy.close();
      for (const client of [main, inbox, chat]) await client.disconnected();
      await bob.send("lobby", `missed ${number}`);
      await server.notify("ada", number);
      proxy.open();
      // No event has come to `/`: its client has no offset, and is where it was.
      for (const client of [main, inbox, chat]) assert.equal(await again(client), true, client.socket.nsp);
      await chat.said(`missed ${number}`);
      await inbox.event("notification", ({ data }) => data.number === number);
    }
    await main.settled("lobby");
    assert.deepEqual([numbers(main), numbers(inbox), numbers(chat)], [[], [1, 2, 3], []]);
    inbox.socket.disconnect();
    await main.settled("lobby");
    await server.notify("ada", 4);
    await main.event("notification", ({ data }) => data.number === 4);
  });

  it("begins anew after a restart of the server", async (t) => {
    const { server, proxy } = await start(t, "--drain", "1s");
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    await ada.settled("lobby");
    server.kill("SIGTERM");
    await ada.disconnected();
    assert.equal(await server.exited(), 0);
    await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`);
    assert.equal(await again(ada), false);
    assert.equal((await ada.join("lobby")).ok, true);
  });

  it("begins anew when the time is over", async (t) => {
    const { server, proxy } = await start(t, "--recovery", "1s");
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    await ada.settled("lobby");
    proxy.close();
    await ada.disconnected();
    await server.lost(1);
    await server.lost(0);
    proxy.open();
    assert.equal(await again(ada), false);
    assert.equal((await ada.send("lobby", "hi")).code, "not_joined");
  });

  it("begins anew when the log does not reach back far enough", async (t) => {
    const { server, proxy } = await start(t, "--history", "5");
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, server, "bob");
    await bob.send("lobby", "heard");
    await ada.said("heard");
    for (const [missed, recovered] of [[5, true], [6, false]]) {
      proxy.close();
      await ada.disconnected();
      for (let n = 0; n < missed - 1; n++) void bob.send("lobby", `${missed}: ${n}`);
      await bob.settled("lobby");
      proxy.open();
      assert.equal(await again(ada), recovered, `${missed} missed`);
      await ada.join("lobby");
      await bob.send("lobby", `after ${missed}`);
      await ada.said(`after ${missed}`);
    }
    await bob.finish();
  });

  it("gives a session to its user alone, in its own namespace, and only for a good token", async (t) => {
    const { server, proxy } = await start(t, "--namespace", "/chat");
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "secret", WEBSOCKET);
    await ada.settled("secret");
    proxy.close();
    await ada.disconnected();
    await server.lost(1);
    const { _pid: pid, _lastOffset: offset } = ada.socket;
    assert.ok(pid && offset);
    for (const [token, namespace] of [["eve", ""], ["ada", "/chat"]]) {
      const other = await SocketIoClient.open(t, server, token, { auth: { token, pid, offset }, namespace });
      assert.notEqual(other.socket._pid, pid);
      assert.equal((await other.send("secret", "hi")).code, "not_joined");
    }
    const nobody = new SocketIoClient(t, server, undefined, { auth: { pid, offset } });
    assert.equal((await nobody.refused()).connectError, "Unauthorized");
    for (const auth of [{ pid: 7, offset: {} }, { pid: "x".repeat(10_000) }, { pid, offset: "nonsense-1" }, { pid: [], offset }]) {
      const odd = await SocketIoClient.open(t, server, "eve", { auth: { token: "eve", ...auth } });
      assert.notEqual(odd.socket._pid, pid);
    }
    proxy.open();
    assert.equal(await again(ada), true, "nobody has harmed it");
  });

  it("gives nothing back to who has said goodbye, left the room or was thrown out", async (t) => {
    const { server, proxy } = await start(t);
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    await ada.join("left");
    await ada.settled("left");
    ada.emit("leave_room", { roomId: "left" });
    await ada.settled("lobby");
    proxy.close();
    await ada.disconnected();
    proxy.open();
    assert.equal(await again(ada), true);
    assert.equal((await ada.send("left", "hi")).code, "not_joined");
    assert.equal((await ada.send("lobby", "hi")).ok, true);
    ada.socket.disconnect();
    ada.socket.connect();
    assert.equal(await again(ada), false);
    await ada.join("lobby");
    await ada.settled("lobby");
    proxy.close();
    await ada.disconnected();
    await server.lost(1);
    await server.request("DELETE", "/users/ada");
    proxy.open();
    assert.equal(await again(ada), false);
  });

  it("can be told to recover nothing, and then its events have one argument", async (t) => {
    const { server, proxy } = await start(t, "--recovery", "0");
    const ada = await SocketIoClient.inRoom(t, proxy, "ada", "lobby", WEBSOCKET);
    await ada.settled("lobby");
    await server.notify("ada", 1);
    await ada.event("notification");
    assert.equal(ada.socket._pid, undefined);
    for (const { args } of ada.events) assert.equal(args.length, 1);
    proxy.cut();
    await ada.disconnected();
    assert.equal(!!(await again(ada)), false);
  });

  it("recovers our own client as well", async (t) => {
    const { server, proxy } = await start(t);
    const bob = await plainInLobby(t, server, "bob");
    const ada = new Pipe(t, `${proxy.origin}/`, "ada", "-r", "lobby", "--protocol", "socketio");
    await ada.connected("socketio");
    await bob.joined("ada");
    await bob.send("lobby", "n0");
    await ada.said("bob", "n0");
    for (const [number, quietly] of [[1, false], [2, true], [3, false]]) {
      proxy.close({ quietly });
      await ada.state("reconnecting");
      await bob.send("lobby", `n${number}`);
      await server.notify("ada", number);
      proxy.open();
      const { event } = await ada.event(({ type, roomId }) => type === "joined" && roomId === "lobby", "the room again");
      assert.equal(event.recovered, true);
      await ada.said("bob", `n${number}`);
    }
    assert.deepEqual(ada.events.filter(({ type }) => type === "gap"), []);
    const contents = ada.events.filter(({ type }) => type === "message").map(({ content }) => content);
    assert.deepEqual(contents, numbered(0, 4));
    await bob.finish();
  });
});
