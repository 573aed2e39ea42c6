// Our command line on a server that is written on python-socketio, and our server with a client that is.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { endsWell } from "./lobby.mjs";
import { Pipe, PythonProgram, PythonSocketIoServer, Rejoin, RejoinServer } from "./processes.mjs";

const SOCKET_IO = ["--protocol", "socketio"];
const bytes = (base64) => ({ base64 });

/** A pipe in the lobby. */
async function inLobby(t, server, user, ...args) {
  const pipe = new Pipe(t, server.url, user, "-r", "lobby", ...SOCKET_IO, "--frames", ...args);
  await pipe.connected("socketio");
  await pipe.event(({ type }) => type === "joined", "joined");
  return pipe;
}

const frame = (pipe, name) => pipe.event((event) => event.type === "frame" && event.name === name, `the event ${name}`);

/** A member in Python, with the lines that it prints. */
class Member extends PythonProgram {
  constructor(t, server, ...args) {
    super(t, "socketio_client.py", server.url.replace(/^ws/, "http").replace(/\/ws$/, ""), ...args);
  }

  async told(matches, what) {
    const { found } = await this.line((line) => matches(JSON.parse(line)), what);
    return JSON.parse(found);
  }

  said(content) {
    return this.told(({ event, args }) => event === "message" && args[0].content === content, content);
  }
}

describe("our command line on a server of python-socketio", { concurrency: 2 }, () => {
  for (const [how, serverArgs, args] of [
    ["a WebSocket", [], ["--transports", "websocket"]],
    ["long polling alone", ["--transports", "polling"], ["--transports", "polling"]],
  ]) {
    it(`by ${how}: messages, answers and bytes both ways, in order`, async (t) => {
      const server = await PythonSocketIoServer.start(t, ...serverArgs);
      const [alice, bob] = [await inLobby(t, server, "alice", ...args), await inLobby(t, server, "bob", ...args)];
      const words = Array.from({ length: 50 }, (_, number) => `a${number}`);
      for (const word of words) alice.send("lobby", word, word);
      for (const word of words) {
        const { event } = await alice.delivery(word);
        assert.deepEqual([event.status, event.answer.ok], ["acked", true]);
      }
      await bob.said("alice", "a49");
      const heard = bob.events.filter(({ type, userId }) => type === "message" && userId === "alice");
      assert.deepEqual(heard.map(({ content }) => content), words);
      alice.send("lobby", "a forbidden word", "no");
      const { event: refused } = await alice.delivery("no");
      assert.deepEqual([refused.status, refused.code, refused.message], ["failed", "forbidden", "mind your language"]);
      const sent = [1.5, { deep: [bytes("AQID"), "x"] }, null];
      alice.put({ type: "frame", name: "echo", args: sent, ack: true, ref: "echo" });
      assert.deepEqual((await frame(alice, "echoed")).event.args, sent);
      assert.deepEqual((await alice.delivery("echo")).event.answer, sent);
      await server.command("picture alice 00ff");
      assert.deepEqual((await frame(alice, "picture")).event.args, [{ of: bytes("AP8=") }, "x"]);
      server.write("quiz alice 7\n");
      await server.line((line) => line.startsWith("quizzed "), "an empty answer");
      alice.endInput();
      assert.equal(await alice.exited(), 1, "a message was refused");
      await endsWell(bob);
      await server.line((line) => line.startsWith("lost alice client"), "a goodbye");
    });
  }

  it("several namespaces over one connection, each with its own room and its own end", async (t) => {
    const server = await PythonSocketIoServer.start(t);
    const both = ["--namespace", "/", "--namespace", "/notifications", "-r", "/notifications,lobby"];
    const alice = await inLobby(t, server, "alice", ...both);
    await alice.event(({ type, namespace }) => type === "joined" && namespace === "/notifications", "joined there");
    alice.put({ type: "send_message", roomId: "lobby", content: "beside", namespace: "/notifications", ref: "1" });
    const { event } = await alice.event(({ type, content }) => type === "message" && content === "beside", "its echo");
    assert.equal(event.namespace, "/notifications");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    await endsWell(alice);
  });

  it("a refusal has the words and the data of the handler, and a namespace that there is not is told as that", async (t) => {
    const server = await PythonSocketIoServer.start(t, "--tokens", "alice");
    const mallory = new Pipe(t, server.url, "mallory", ...SOCKET_IO);
    const { event } = await mallory.state("failed");
    assert.equal(event.reason, "unauthorized");
    assert.match(event.message, /this token is not on the list/);
    assert.equal(await mallory.exited(), 3);
    const nowhere = new Pipe(t, server.url, "alice", ...SOCKET_IO, "--namespace", "/nowhere");
    await nowhere.state("failed");
    assert.equal(await nowhere.exited(), 3);
  });

  it("a server that is killed and started again is found again, with a gap, and what waited is sent then", async (t) => {
    const server = await PythonSocketIoServer.start(t);
    const alice = await inLobby(t, server, "alice");
    server.kill("SIGKILL");
    await alice.state("reconnecting");
    alice.send("lobby", "meanwhile", "1");
    await PythonSocketIoServer.start(t, "--port", server.port);
    const { event } = await alice.event(({ type }) => type === "gap", "a gap");
    assert.equal(event.roomId, "lobby");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    await endsWell(alice);
  });

  it("doctor finds nothing wrong with it", async (t) => {
    const server = await PythonSocketIoServer.start(t);
    const doctor = new Rejoin(t, "doctor", server.url, ...SOCKET_IO, "--token", "alice");
    assert.equal(await doctor.exited(), 0, doctor.lines.entries.join("\n"));
  });
});

describe("a client of python-socketio on our server", { concurrency: 2 }, () => {
  it("talks in a room with a client of ours, and is back after the server was killed", async (t) => {
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
    const alice = new Pipe(t, server.url, "alice", "-r", "lobby");
    await alice.event(({ type }) => type === "joined", "joined");
    const member = new Member(t, server, "bob", "lobby");
    assert.equal((await member.told(({ answer }) => answer, "its join")).answer.ok, true);
    member.write("hello from Python\n");
    await alice.said("bob", "hello from Python");
    const { answer } = await member.told(({ answer }) => answer, "its answer");
    assert.equal(answer.ok, true, JSON.stringify(answer));
    alice.send("lobby", "hello from Rust", "1");
    const { args } = await member.said("hello from Rust");
    assert.equal(args[0].userId, "alice");
    server.kill("SIGKILL");
    await member.told(({ event }) => event === "disconnect", "the loss");
    await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`);
    assert.equal((await member.told(({ answer }) => answer, "its join")).answer.ok, true);
    member.write("still here\n");
    await alice.said("bob", "still here");
    member.endInput();
    assert.equal(await member.exited(), 0, member.stderr);
    await endsWell(alice);
  });

  it("is refused with the reason where the token is nobody's", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "rejoin-tokens-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "tokens"), "alice s3cret\n");
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--auth", `tokens=${join(folder, "tokens")}`);
    const member = new Member(t, server, "mallory", "lobby");
    const { refused } = await member.told(({ refused }) => refused, "a refusal");
    assert.match(refused, /./);
    assert.equal(await member.exited(), 0, member.stderr);
  });
});
