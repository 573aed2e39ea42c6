// Our command line by long polling on a real Socket.IO server.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endsWell } from "./lobby.mjs";
import { Pipe, SocketIoServer } from "./processes.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

/** Alice's pipe in the lobby. */
async function aliceIn(t, server, ...args) {
  const alice = new Pipe(t, server.url, "alice", "-r", "lobby", "--protocol", "socketio", "--frames", ...args);
  await alice.connected("socketio");
  await alice.event(({ type }) => type === "joined", "joined");
  return alice;
}

const frame = (pipe, name) => pipe.event((event) => event.type === "frame" && event.name === name, `the event ${name}`);

const bytes = (base64) => ({ base64 });

// How the server is started, and what alice is told.
const WAYS = [
  ["a server without WebSockets, after three attempts", ["--polling"], []],
  ["long polling alone", [], ["--transports", "polling"]],
  ["WebSocket alone", [], ["--transports", "websocket"]],
];

describe("our command line by the transports of a Socket.IO server", { concurrency: 3 }, () => {
  for (const [how, serverArgs, args] of WAYS) {
    it(`${how}: messages, acks and bytes both ways, in order`, async (t) => {
      const server = await SocketIoServer.start(t, ...serverArgs);
      const alice = await aliceIn(t, server, ...args);
      const bob = await SocketIoClient.open(t, server, "bob", { transports: ["polling"] });
      await bob.join("lobby");
      for (let number = 0; number < 50; number += 1) {
        alice.send("lobby", `a${number}`, `${number}`);
        await bob.send("lobby", `b${number}`);
      }
      for (let number = 0; number < 50; number += 1) {
        const { event } = await alice.delivery(`${number}`);
        assert.equal(event.status, "acked");
      }
      await bob.send("lobby", "b50");
      await alice.said("bob", "b50");
      const said = alice.events.filter(({ type, userId }) => type === "message" && userId === "bob");
      assert.deepEqual(said.map(({ content }) => content), Array.from({ length: 51 }, (_, number) => `b${number}`));
      const sent = [1.5, { deep: [bytes("AQID"), "x"] }, bytes("")];
      alice.put({ type: "frame", name: "echo", args: sent, ref: "bytes" });
      const { event } = await frame(alice, "echoed");
      assert.deepEqual(event.args, sent);
      await server.command("picture alice 00ff");
      const { event: picture } = await frame(alice, "picture");
      assert.deepEqual(picture.args, [{ of: bytes("AP8=") }, "x"]);
      await endsWell(alice);
      await server.line((line) => line.startsWith("lost alice"), "a goodbye");
    });
  }

  it("by long polling a server that is killed and started again is found again, and nothing is said twice", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server, "--transports", "polling");
    alice.send("lobby", "before", "1");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    server.kill("SIGKILL");
    await alice.state("reconnecting");
    const again = await SocketIoServer.start(t, "--port", `${new URL(server.url).port}`);
    await again.opened("alice");
    alice.send("lobby", "after", "2");
    assert.equal((await alice.delivery("2")).event.status, "acked");
    assert.equal(alice.events.filter(({ type, content }) => type === "message" && content === "after").length, 1);
    await endsWell(alice);
  });

  it("by long polling connection state recovery brings what was missed", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const alice = await aliceIn(t, server, "--transports", "polling");
    const bob = await SocketIoClient.open(t, server, "bob", { transports: ["polling"] });
    await bob.join("lobby");
    await bob.send("lobby", "first");
    await alice.said("bob", "first");
    await server.command("miss alice lobby one two");
    await alice.event(({ type, content }) => type === "message" && content === "two", "what was missed");
    assert.ok(alice.events.every(({ type }) => type !== "gap"));
    await endsWell(alice);
  });
});
