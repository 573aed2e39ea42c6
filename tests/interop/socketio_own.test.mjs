// Events of the application's own: our command line on a real Socket.IO server.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Pipe, SocketIoServer } from "./processes.mjs";

/** Alice's pipe, connected. */
async function alice(t, server, ...args) {
  const pipe = new Pipe(t, server.url, "alice", "--protocol", "socketio", "--frames", ...args);
  await pipe.connected("socketio");
  return pipe;
}

const frame = (pipe, name) => pipe.event((event) => event.type === "frame" && event.name === name, `the event ${name}`);

async function finished(pipe, expected = 0) {
  pipe.endInput();
  assert.equal(await pipe.exited(), expected, pipe.stderr);
}

const bytes = (base64) => ({ base64 });

describe("events of an application's own on a Socket.IO server", { concurrency: 3 }, () => {
  it("go up and come down with all their arguments, bytes included, and have honest outcomes", async (t) => {
    const server = await SocketIoServer.start(t);
    const pipe = await alice(t, server);
    const args = [1.5, { deep: [bytes("AQID"), "x"] }, null, bytes("")];
    pipe.put({ type: "frame", name: "echo", args, ref: "1" });
    const { event: delivery } = await pipe.delivery("1");
    assert.deepEqual(delivery, { type: "delivery", ref: "1", status: "written" });
    await server.line((line) => line.includes('"type":"Buffer","data":[1,2,3]'), "the bytes");
    const { event } = await frame(pipe, "echoed");
    assert.deepEqual(event, { type: "frame", namespace: "/", name: "echoed", args });
    await server.command("picture alice 00ff");
    const { event: picture } = await frame(pipe, "picture");
    assert.deepEqual(picture.args, [{ of: bytes("AP8=") }, "x"]);
    await finished(pipe);
  });

  it("are answered by acks, which the outcome has as they are, however they look", async (t) => {
    const server = await SocketIoServer.start(t);
    const pipe = await alice(t, server);
    const long = "x".repeat(20_000);
    const answers = [
      [[], undefined],
      [[false], false],
      [[{ error: "no" }], { error: "no" }],
      [[1, "two"], [1, "two"]],
      [[bytes("AQID")], bytes("AQID")],
      [[long], long],
    ];
    for (const [at, [args, expected]] of answers.entries()) {
      pipe.put({ type: "frame", name: "echo", args, ack: true, ref: `${at}` });
      const { event } = await pipe.delivery(`${at}`);
      assert.equal(event.status, "acked", JSON.stringify(event).slice(0, 200));
      assert.deepEqual(event.answer, expected);
    }
    await finished(pipe);
  });

  it("that are idempotent are sent again with their key until they are answered, and others are unknown", async (t) => {
    const server = await SocketIoServer.start(t);
    const pipe = await alice(t, server);
    pipe.put({ type: "frame", name: "order", args: ["X", 3], ack: true, idempotent: "order-17", ref: "1" });
    pipe.put({ type: "frame", name: "order", args: ["Y", 1], ack: true, ref: "2" });
    const came = (line) => server.line((found) => found === line, line);
    await came('order ["X",3,"order-17"]');
    await came('order ["Y",1]');
    await server.command("drop alice");
    assert.equal((await pipe.delivery("2")).event.status, "unknown");
    await came('order ["X",3,"order-17"]');
    await server.command("answer orders");
    await server.command("drop alice");
    await came('order ["X",3,"order-17"]');
    const { event } = await pipe.delivery("1");
    assert.deepEqual([event.status, event.answer], ["acked", ["X", 3, "order-17"]]);
    for (const [ref, bad] of Object.entries({ bad_key: { idempotent: "", ack: true }, needs_ack: { idempotent: "k" } })) {
      pipe.put({ type: "frame", name: "order", ref, ...bad });
      const { event } = await pipe.delivery(ref);
      assert.equal(event.code, ref);
      assert.match(event.message, /idempotent/);
    }
    pipe.put({ type: "send_message", roomId: "lobby", content: "hi", idempotent: "k", ref: "m" });
    const { event: refused } = await pipe.event(({ type, ref }) => type === "error" && ref === "m", "a message has no key");
    assert.match(refused.message, /--state/);
    await finished(pipe, 1);
  });

  it("of the server's that want an answer get an empty one, or the application's", async (t) => {
    const server = await SocketIoServer.start(t);
    const pipe = await alice(t, server);
    server.write("quiz alice 1\n");
    await server.line((line) => line === "quizzed []", "an empty answer");
    await finished(pipe);
    const other = await alice(t, server, "--manual-acks");
    server.write("quiz alice 2\n");
    const { event } = await frame(other, "quiz");
    assert.deepEqual([event.args, typeof event.ack], [[2], "number"]);
    other.put({ type: "answer", ack: event.ack + 1, args: [] });
    await other.event(({ type, code }) => type === "error" && code === "unknown_ack", "the error");
    other.put({ type: "answer", ack: event.ack, args: ["four", bytes("AQ==")] });
    await server.line((line) => line.startsWith('quizzed ["four",{"type":"Buffer","data":[1]}]'), "the answer");
    await finished(other, 1);
  });

  it("that are kept begin each connection, and what was missed is recovered with its place", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const pipe = await alice(t, server);
    // In no room, and told all the same whether anything was missed.
    pipe.put({ type: "join_room", roomId: "@me" });
    pipe.put({ type: "frame", name: "echo", args: ["watch"], keep: "prices" });
    await frame(pipe, "echoed");
    await server.command('emit alice price {"n":1}');
    assert.deepEqual((await frame(pipe, "price")).event.args, [{ n: 1 }]);
    await server.command("drop alice");
    await pipe.event(({ type, roomId, recovered }) => type === "joined" && roomId === "@me" && recovered, "the recovery");
    await frame(pipe, "echoed");
    await server.command('emit alice price {"n":2}');
    assert.deepEqual((await frame(pipe, "price")).event.args, [{ n: 2 }]);
    await finished(pipe);
  });

  it("with a name that is taken, or for another namespace, are refused and cost nothing else", async (t) => {
    const server = await SocketIoServer.start(t);
    const pipe = await alice(t, server);
    for (const name of ["disconnect", "join_room", "message", ""]) {
      pipe.put({ type: "frame", name, ref: name });
      const { event } = await pipe.delivery(name);
      assert.deepEqual([event.status, event.code], ["failed", "reserved_type"]);
    }
    pipe.put({ type: "frame", name: "echo", namespace: "/elsewhere", ref: "n" });
    await pipe.event(({ code, ref }) => code === "bad_namespace" && ref === "n", "the error");
    pipe.put({ type: "frame", name: "echo", namespace: "/", args: [1] });
    assert.deepEqual((await frame(pipe, "echoed")).event.args, [1]);
    await finished(pipe, 1);
  });
});
