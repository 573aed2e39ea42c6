// Our command line on several Socket.IO servers that are one by an adapter of the library's own.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CuttingProxy } from "./cutting-proxy.mjs";
import { endsWell } from "./lobby.mjs";
import { Pipe, Redis, SocketIoServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const SOCKET_IO = ["--protocol", "socketio"];
const NOTIFICATIONS = "/notifications";

/** A pipe in the lobby of both namespaces. */
async function inLobbies(t, url, user) {
  const namespaces = ["--namespace", "/", "--namespace", NOTIFICATIONS, "-r", "lobby", "-r", `${NOTIFICATIONS},lobby`];
  const pipe = new Pipe(t, url, user, ...SOCKET_IO, ...namespaces, "--frames");
  const joins = (namespace) => pipe.event(({ type, ...event }) => type === "joined" && event.namespace === namespace, "joined");
  await joins(undefined);
  await joins(NOTIFICATIONS);
  return pipe;
}

const frame = (pipe, name) => pipe.event((event) => event.type === "frame" && event.name === name, `the event ${name}`);
const saidBy = (pipe, user) =>
  pipe.events.filter(({ type, userId }) => type === "message" && userId === user).map(({ content }) => content);

describe("our command line on Socket.IO servers with an adapter", { concurrency: 2 }, () => {
  for (const adapter of ["redis", "redis-streams"]) {
    it(`${adapter}: what is said on one server comes to the other, in order and once, in each namespace`, async (t) => {
      const redis = await Redis.start(t);
      const args = ["--adapter", adapter, "--redis", `${redis.port}`];
      const [here, there] = [await SocketIoServer.start(t, ...args), await SocketIoServer.start(t, ...args)];
      const [alice, bob] = [await inLobbies(t, here.url, "alice"), await inLobbies(t, there.url, "bob")];
      const carol = await SocketIoClient.open(t, there, "carol", { transports: ["websocket"] });
      await carol.join("lobby");
      const words = (who) => Array.from({ length: 50 }, (_, number) => `${who}${number}`);
      for (const [at, word] of words("a").entries()) {
        alice.send("lobby", word, word);
        bob.send("lobby", words("b")[at], words("b")[at]);
      }
      for (const [pipe, who] of [[alice, "a"], [bob, "b"]]) {
        for (const word of words(who)) assert.equal((await pipe.delivery(word)).event.status, "acked");
      }
      // They may have come before the last outcome, and what has been passed over is not waited for.
      if (!saidBy(alice, "bob").includes("b49")) await alice.said("bob", "b49");
      if (!saidBy(bob, "alice").includes("a49")) await bob.said("alice", "a49");
      await carol.said("a49", "alice");
      assert.deepEqual([saidBy(alice, "bob"), saidBy(bob, "alice")], [words("b"), words("a")]);
      // For this user alone, and of the application's own, from the server that the user is not on.
      await there.command('notify alice shipped {"order":7}');
      const { event } = await alice.event(({ type }) => type === "notification", "the notification");
      assert.deepEqual([event.kind, event.data], ["shipped", { order: 7 }]);
      await there.command('tell /notifications alice price "X" 1.5');
      const { event: price } = await frame(alice, "price");
      assert.deepEqual([price.namespace, price.args], [NOTIFICATIONS, ["X", 1.5]]);
      await here.command("picture bob 00ff");
      assert.deepEqual((await frame(bob, "picture")).event.args, [{ of: { base64: "AP8=" } }, "x"]);
      alice.put({ type: "send_message", roomId: "lobby", content: "beside", namespace: NOTIFICATIONS });
      const isBeside = ({ type, content, namespace }) =>
        type === "message" && content === "beside" && namespace === NOTIFICATIONS;
      await bob.event(isBeside, "the message of the other namespace");
      assert.ok(!carol.events.some(({ args: [message] }) => message?.content === "beside"));
      await endsWell(alice);
      await endsWell(bob);
    });
  }

  it("redis-streams: a client comes back on the other server and is told what it has missed", async (t) => {
    const redis = await Redis.start(t);
    const args = ["--adapter", "redis-streams", "--redis", `${redis.port}`, "--recovery"];
    const [here, there] = [await SocketIoServer.start(t, ...args), await SocketIoServer.start(t, ...args)];
    const way = await CuttingProxy.start(t, here.port);
    const alice = await inLobbies(t, way.origin, "alice");
    const bob = await SocketIoClient.open(t, there, "bob", { transports: ["websocket"] });
    await bob.join("lobby");
    await bob.send("lobby", "before");
    await alice.said("bob", "before");
    way.close();
    await here.line((line) => line.startsWith("lost alice"), "the loss");
    for (const word of ["one", "two", "three"]) await bob.send("lobby", word);
    way.leadTo(there.port);
    way.open();
    await bob.send("lobby", "after");
    await alice.said("bob", "after");
    assert.deepEqual(saidBy(alice, "bob"), ["before", "one", "two", "three", "after"]);
    const again = alice.events.filter(({ type, namespace }) => type === "joined" && !namespace).at(-1);
    assert.equal(again.recovered, true, JSON.stringify(again));
    // Where nothing has come yet there is no place to recover from: the other namespace has a gap.
    assert.ok(!alice.events.some(({ type, namespace }) => type === "gap" && !namespace));
    alice.send("lobby", "here I am", "1");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    await bob.said("here I am", "alice");
    await endsWell(alice);
  });

  it("redis: a server that dies costs a gap in each namespace, and its clients go on at the other one", async (t) => {
    const redis = await Redis.start(t);
    const args = ["--adapter", "redis", "--redis", `${redis.port}`];
    const [here, there] = [await SocketIoServer.start(t, ...args), await SocketIoServer.start(t, ...args)];
    const way = await CuttingProxy.start(t, here.port);
    const alice = await inLobbies(t, way.origin, "alice");
    way.leadTo(there.port);
    here.kill("SIGKILL");
    const gap = (namespace) => alice.event((event) => event.type === "gap" && event.namespace === namespace, "a gap");
    // The others are asked for when the first has let the client in.
    await gap(undefined);
    await gap(NOTIFICATIONS);
    await there.opened("alice");
    alice.send("lobby", "still here", "1");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    assert.equal(alice.events.filter(({ type, roomId }) => type === "gap" && roomId === "lobby").length, 2);
    await endsWell(alice);
  });
});
