// Connection state recovery by another server of the same Redis, judged by the Socket.IO client that everybody uses and by our
// own.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient } from "redis";
import { CuttingProxy } from "./cutting-proxy.mjs";
import { endsWell, plainInLobby } from "./lobby.mjs";
import { Pipe, Redis, RejoinServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const WEBSOCKET = { transports: ["websocket"] };
const POLLING = { transports: ["polling"] };

/** A server of this Redis. */
const node = (t, redis, ...args) => RejoinServer.withAdmin(t, "--redis", `redis://127.0.0.1:${redis.port}`, ...args);

/** A Redis, servers that share it, and a way to them that leads to the first. */
async function start(t, { args = [], count = 2 } = {}) {
  const redis = await Redis.start(t);
  const servers = await Promise.all(Array.from({ length: count }, () => node(t, redis, ...args)));
  const way = await CuttingProxy.start(t, servers[0].port);
  /** The client's connection is lost, and its next one leads to this server. */
  way.moveTo = (server, how) => {
    way.close(how);
    way.leadTo(server.port);
  };
  return { redis, servers, way };
}

const again = async (client) => (await client.connected()).found.recovered;
const heard = (client) => client.events.filter(({ event }) => event === "message").map(({ args }) => args[0].content);
const numbers = (client) =>
  client.events.filter(({ event }) => event === "notification").map(({ args }) => args[0].data.number);
const numbered = (from, to) => Array.from({ length: to - from }, (_, n) => `n${n + from}`);

/** All keys, and what `match` lists of them. */
async function keys(t, redis, match = "*") {
  const client = createClient({ url: `redis://127.0.0.1:${redis.port}` });
  await client.connect();
  const found = await client.keys(match);
  client.destroy();
  return found;
}

describe("recovery by another server, judged by socket.io-client", { concurrency: 2 }, () => {
  for (const [how, options] of [["a WebSocket", WEBSOCKET], ["polling", POLLING]]) {
    it(`goes on after each server is killed, in its rooms, with what was missed, once, over ${how}`, async (t) => {
      const { servers, way } = await start(t, { count: 3 });
      const last = servers[2];
      const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", options);
      const joined = await ada.join("team");
      assert.equal(joined.ok, true);
      const { id } = ada.socket;
      const bob = await plainInLobby(t, last, "bob");
      bob.join("team");
      await bob.settled("team");
      await bob.send("lobby", "n0");
      await ada.said("n0");
      let said = 1;
      for (const [at, next] of [[0, 1], [1, 2]]) {
        // Not all that was said has come, and nobody knows how much of it: the server is killed in the middle.
        for (const content of numbered(said, said + 40)) void bob.send("lobby", content);
        way.moveTo(servers[next]);
        servers[at].kill("SIGKILL");
        await ada.disconnected();
        for (const content of numbered(said + 40, said + 50)) void bob.send("lobby", content);
        await bob.settled("lobby");
        said += 50;
        await bob.send("team", `team ${at}`);
        await last.notify("ada", at);
        way.open();
        assert.equal(await again(ada), true);
        assert.equal(ada.socket.id, id);
        await ada.said(`n${said - 1}`);
        await ada.said(`team ${at}`);
        await bob.send("lobby", `live ${at}`);
        await ada.said(`live ${at}`);
        assert.equal((await ada.send("lobby", `own ${at}`)).ok, true, "it is in the room still");
        await ada.said(`own ${at}`);
      }
      const of = (prefix) => heard(ada).filter((content) => content.startsWith(prefix));
      assert.deepEqual(of("n"), numbered(0, said));
      assert.deepEqual([of("live"), of("team"), of("own")].map(({ length }) => length), [2, 2, 2]);
      assert.deepEqual(numbers(ada), [0, 1]);
      await bob.finish();
    });
  }

  it("waits for a Redis that does not answer, and has lost nothing when it does", async (t) => {
    const { redis, servers, way } = await start(t);
    const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    await ada.said("n0");
    for (const said of [1, 2]) {
      way.moveTo(servers[said % 2]);
      await ada.disconnected();
      await bob.send("lobby", `n${said}`);
      redis.kill("SIGSTOP");
      way.open();
      const sentAway = async () => {
        const metrics = await (await servers[said % 2].request("GET", "/metrics")).text();
        return !/cause="recovery"} 0/.test(metrics);
      };
      while (!(await sentAway()));
      redis.kill("SIGCONT");
      assert.equal(await again(ada), true);
      await ada.said(`n${said}`);
    }
    assert.deepEqual(heard(ada).filter((content) => content.startsWith("n")), numbered(0, 3));
    await bob.finish();
  });

  it("goes to and fro between servers that live, and repeats nothing", async (t) => {
    const { servers, way } = await start(t);
    const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    await ada.said("n0");
    let said = 1;
    // Each server has what it knew of the session before the last one had it. Sometimes nothing has come meanwhile, and
    // sometimes the server that is left does not hear of it.
    for (const [to, quietly, count] of [[1, false, 3], [0, false, 3], [1, true, 0], [0, false, 0], [1, false, 4], [0, true, 5], [1, false, 0]]) {
      way.moveTo(servers[to], { quietly });
      await ada.disconnected();
      for (const content of numbered(said, said + count)) void bob.send("lobby", content);
      said += count;
      await bob.settled("lobby");
      way.open();
      assert.equal(await again(ada), true);
      await ada.settled("lobby");
    }
    const own = heard(ada).filter((content) => content.startsWith("n"));
    assert.deepEqual(own, numbered(0, said));
    await bob.finish();
  });

  it("goes on at once when a server is drained", async (t) => {
    const { servers, way } = await start(t, { args: ["--drain", "1s"] });
    const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    await ada.said("n0");
    way.leadTo(servers[1].port);
    servers[0].kill("SIGTERM");
    await ada.disconnected();
    for (const content of numbered(1, 9)) await bob.send("lobby", content);
    assert.equal(await again(ada), true);
    await ada.said("n8");
    assert.deepEqual(heard(ada).filter((content) => content.startsWith("n")), numbered(0, 9));
    assert.equal(await servers[0].exited(), 0);
    await bob.finish();
  });

  it("knows which rooms were left, and out of which somebody was taken meanwhile", async (t) => {
    const { servers, way } = await start(t);
    const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    for (const room of ["left", "removed"]) assert.equal((await ada.join(room)).ok, true);
    assert.equal((await ada.ask("leave_room", { roomId: "left" })).ok, true);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    await ada.said("n0");
    way.moveTo(servers[1]);
    servers[0].kill("SIGKILL");
    await ada.disconnected();
    assert.equal((await servers[1].request("DELETE", "/rooms/removed/members/ada")).status, 200);
    way.open();
    assert.equal(await again(ada), true);
    const rooms = (await (await servers[1].request("GET", "/users/ada")).json()).rooms.filter((room) => !room.startsWith("@"));
    assert.deepEqual(rooms, ["lobby"]);
    await bob.finish();
  });

  it("recovers nobody who was thrown out, who has said goodbye or who is somebody else", async (t) => {
    const { redis, servers, way } = await start(t);
    const clients = {};
    for (const user of ["kicked", "gone", "robbed"]) clients[user] = await SocketIoClient.inRoom(t, way, user, "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    for (const client of Object.values(clients)) await client.said("n0");
    const { _pid: pid, _lastOffset: offset } = clients.robbed.socket;
    assert.match(pid, /^[0-9a-f]{32}$/);
    // Nobody who reads Redis learns by what a session is gone on with.
    const sessions = await keys(t, redis, "rejoin:session:*");
    assert.equal(sessions.length, 3);
    assert.ok((await keys(t, redis)).every((key) => !key.includes(pid)));
    clients.gone.socket.disconnect();
    for (let left = 3; left > 2; ) left = (await keys(t, redis, "rejoin:session:*")).length;
    way.moveTo(servers[1]);
    servers[0].kill("SIGKILL");
    for (const user of ["kicked", "robbed"]) await clients[user].disconnected();
    assert.equal((await servers[1].request("DELETE", "/users/kicked")).status, 200);
    way.open();
    assert.equal(await again(clients.kicked), false);
    clients.gone.socket.connect();
    assert.equal(await again(clients.gone), false);
    const thief = new SocketIoClient(t, servers[1], "thief", { ...WEBSOCKET, auth: { token: "thief", pid, offset } });
    await thief.connected();
    assert.deepEqual([thief.socket.recovered, thief.socket._pid === pid], [false, false]);
    // And nobody is harmed by what others say of themselves.
    for (const auth of [{ pid: "x".repeat(32) }, { pid: "0".repeat(32), offset }, { pid: "'; DEL", offset: "1-1" }, { pid, offset: "9".repeat(250) }]) {
      const hostile = new SocketIoClient(t, servers[1], "hostile", { ...WEBSOCKET, auth: { token: "hostile", ...auth } });
      await hostile.connected();
      assert.equal(hostile.socket.recovered, false);
      hostile.socket.disconnect();
    }
    assert.equal(await again(clients.robbed), true);
    await bob.finish();
  });

  it("recovers nobody after the time that is given for it, nor from a Redis that has lost what it knew", async (t) => {
    const args = ["--recovery", "1s", "--ping-interval", "300ms", "--ping-timeout", "300ms"];
    const { redis, servers, way } = await start(t, { args });
    const ada = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    const bob = await plainInLobby(t, servers[1], "bob");
    await bob.send("lobby", "n0");
    await ada.said("n0");
    // It is kept for as long as it is open, however long that is.
    const [key] = await keys(t, redis, "rejoin:session:*");
    const client = createClient({ url: `redis://127.0.0.1:${redis.port}` });
    await client.connect();
    t.after(() => client.destroy());
    for (let prolonged = 0, before = Infinity; prolonged < 3; ) {
      const left = await client.pTTL(key);
      assert.ok(left > 0 && left <= 1_600, `${left}`);
      if (left > before) prolonged++;
      before = left;
    }
    way.moveTo(servers[1]);
    servers[0].kill("SIGKILL");
    await ada.disconnected();
    while ((await keys(t, redis, "rejoin:session:*")).length > 0);
    way.open();
    assert.equal(await again(ada), false);
    assert.equal((await ada.join("lobby")).ok, true);
    await bob.send("lobby", "n1");
    await ada.said("n1");
    way.close();
    await ada.disconnected();
    await client.flushAll();
    way.open();
    assert.equal(await again(ada), false);
    await bob.finish();
  });

  it("has each namespace go on by itself", async (t) => {
    const args = ["--namespace", "/notifications=personal", "--namespace", "/chat"];
    const { servers, way } = await start(t, { args });
    const main = await SocketIoClient.inRoom(t, way, "ada", "lobby", WEBSOCKET);
    const inbox = await main.beside(t, "/notifications", "ada");
    const chat = await main.beside(t, "/chat", "ada");
    await chat.join("lobby");
    const bob = await SocketIoClient.inRoom(t, servers[1], "bob", "lobby", { namespace: "/chat" });
    await bob.send("lobby", "one");
    await servers[1].notify("ada", 1);
    await chat.said("one");
    await inbox.event("notification");
    way.moveTo(servers[1]);
    servers[0].kill("SIGKILL");
    for (const client of [main, inbox, chat]) await client.disconnected();
    await bob.send("lobby", "missed");
    await servers[1].notify("ada", 2);
    way.open();
    for (const client of [main, inbox, chat]) assert.equal(await again(client), true, client.socket.nsp);
    await chat.said("missed");
    await inbox.event("notification", ({ data }) => data.number === 2);
    await main.settled("lobby");
    assert.deepEqual([numbers(main), numbers(inbox), numbers(chat)], [[], [1, 2], []]);
  });

  it("keeps places in more rooms than an offset has room for", async (t) => {
    const { servers, way } = await start(t, { args: ["--ping-interval", "300ms"] });
    const rooms = Array.from({ length: 60 }, (_, number) => `room ${number}`);
    const ada = await SocketIoClient.open(t, way, "ada", WEBSOCKET);
    for (const room of rooms) assert.equal((await ada.join(room)).ok, true);
    const bob = await SocketIoClient.open(t, servers[1], "bob", WEBSOCKET);
    for (const room of rooms) await bob.join(room);
    const isWhole = () => /^\d{12}[1-9]\d{0,20}-\d+$/.test(ada.socket._lastOffset);
    const sayInAll = async (what) => {
      for (const room of rooms) await bob.send(room, `${what} ${room}`);
      for (const room of rooms) await ada.said(`${what} ${room}`);
    };
    await sayInAll("one");
    // Until the server has told the others how far it is in each of them, and an event has told the client.
    for (let word = 0; !isWhole(); word++) {
      await bob.send(rooms[0], `word ${word}`);
      await ada.said(`word ${word}`);
    }
    way.moveTo(servers[1]);
    servers[0].kill("SIGKILL");
    await ada.disconnected();
    for (const room of rooms) await bob.send(room, `missed ${room}`);
    way.open();
    assert.equal(await again(ada), true);
    for (const room of rooms) await ada.said(`missed ${room}`);
    const own = heard(ada).filter((content) => !content.startsWith("word"));
    assert.equal(own.length, 2 * rooms.length);
    assert.equal(new Set(own).size, own.length);
  });
});

describe("recovery by another server, judged by our own Socket.IO client", () => {
  it("costs no gap when a server is killed", async (t) => {
    const { servers, way } = await start(t, { count: 3 });
    const rooms = ["lobby", "team", "three", "four", "five", "six"];
    const pipe = new Pipe(t, way.origin, "ada", "--protocol", "socketio", ...rooms.flatMap((room) => ["-r", room]));
    for (let joined = 0; joined < rooms.length; joined++) await pipe.event(({ type }) => type === "joined", "one more room");
    const bob = await plainInLobby(t, servers[2], "bob");
    for (const room of rooms) bob.join(room);
    await bob.settled("six");
    const words = [];
    const say = async (word) => {
      for (const room of rooms) await bob.send(room, `${room} ${word}`);
      words.push(word);
    };
    await say("first");
    await pipe.said("bob", "six first");
    for (const [at, next] of [[0, 1], [1, 2]]) {
      way.moveTo(servers[next]);
      servers[at].kill("SIGKILL");
      await say(`missed ${at}`);
      way.open();
      await pipe.said("bob", `six missed ${at}`);
      await say(`live ${at}`);
      await pipe.said("bob", `six live ${at}`);
    }
    for (const room of rooms) {
      const said = pipe.events.filter(({ type, roomId }) => type === "message" && roomId === room);
      const own = said.map(({ content }) => content).filter((content) => content.startsWith(room));
      assert.deepEqual(own, words.map((word) => `${room} ${word}`));
    }
    assert.ok(!pipe.events.some(({ type }) => type === "gap"));
    const recovered = pipe.events.filter(({ type, recovered }) => type === "joined" && recovered);
    assert.equal(recovered.length, 2 * rooms.length);
    await endsWell(pipe);
    await bob.finish();
  });
});
