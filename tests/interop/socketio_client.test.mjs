// Our command line against a real Socket.IO server, beside a real Socket.IO client.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WebSocketServer } from "ws";
import { endsWell } from "./lobby.mjs";
import { Pipe, Rejoin, SocketIoServer } from "./processes.mjs";
import { COUNT, numbered, numberedIn } from "./sequences.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const SOCKET_IO = ["--protocol", "socketio"];

/** A socket.io-client in the lobby. */
async function inLobby(t, server, user, options) {
  const client = await SocketIoClient.open(t, server, user, { transports: ["websocket"], ...options });
  await client.join("lobby");
  return client;
}

/** Alice's pipe in the lobby, joined as far as the server says. */
async function aliceIn(t, server, ...args) {
  const alice = new Pipe(t, server.url, "alice", "-r", "lobby", ...SOCKET_IO, ...args);
  await alice.connected("socketio");
  return alice;
}

const joined = (pipe) => pipe.event(({ type }) => type === "joined", "joined");

/** Alice's pipe and bob, a socket.io-client, both in the lobby. */
async function aliceAndBob(t, server) {
  const bob = await inLobby(t, server, "bob");
  const alice = await aliceIn(t, server);
  await joined(alice);
  await bob.sees("alice");
  return { alice, bob };
}

describe("our command line on a Socket.IO server", { concurrency: 3 }, () => {
  it("pipe says connecting, connected, the mode and the answer to its join, with the token in the auth object alone", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    const { event } = await joined(alice);
    assert.deepEqual(event, {
      type: "joined", roomId: "lobby", recovered: false, replayed: 0, reason: "fresh", answer: { ok: true },
    });
    assert.deepEqual(alice.events.slice(0, 3), [
      { type: "state", state: "connecting" },
      { type: "state", state: "connected" },
      { type: "state", state: "connected", mode: "socketio" },
    ]);
    assert.equal(await server.opened("alice"), "opened alice / EIO,transport no header");
    await endsWell(alice);
    await server.line((line) => line === "lost alice client namespace disconnect", "a goodbye");
  });

  it("a token in the URL is sent there and in the auth object, and is never printed", async (t) => {
    const server = await SocketIoServer.start(t);
    const url = `${server.url}?token=s3cr3t&room=x`;
    const alice = new Rejoin(t, "send", url, ...SOCKET_IO, "-r", "lobby", "hi", "-vv");
    assert.equal(await server.opened("s3cr3t"), "opened s3cr3t / EIO,room,token,transport no header");
    assert.equal(await alice.exited(), 0, alice.stderr);
    assert.ok(![...alice.lines.entries, alice.stderr].join().includes("s3cr3t"));
  });

  it("pipe and a socket.io-client talk in a room, and each send is answered with what the handler says", async (t) => {
    const server = await SocketIoServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    alice.send("lobby", "hello bob", "1");
    const heard = await bob.said("hello bob", "alice");
    const { event: delivery } = await alice.delivery("1");
    const answer = { ok: true, id: "m1", seq: 1 };
    assert.deepEqual(delivery, { type: "delivery", ref: "1", roomId: "lobby", id: "m1", seq: 1, status: "acked", answer });
    const echo = alice.events.find(({ type }) => type === "message");
    assert.deepEqual(echo, { type: "message", ...heard });
    await bob.send("lobby", "hello alice");
    await alice.said("bob", "hello alice");
    await inLobby(t, server, "carol");
    const { event } = await alice.event(({ type }) => type === "user_joined", "user_joined");
    assert.deepEqual(event, { type: "user_joined", roomId: "lobby", userId: "carol" });
    await endsWell(alice);
  });

  it("pipe joins and leaves rooms as its input says", async (t) => {
    const server = await SocketIoServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    alice.put({ type: "join_room", roomId: "elsewhere", ref: "j" });
    const { event } = await joined(alice);
    assert.deepEqual(event, {
      type: "joined",
      ref: "j",
      roomId: "elsewhere",
      recovered: false,
      replayed: 0,
      reason: "fresh", answer: { ok: true },
    });
    await server.command("say elsewhere welcome");
    await alice.said("server", "welcome");
    alice.put({ type: "leave_room", roomId: "elsewhere" });
    await server.line((line) => line === "left alice elsewhere", "the leave");
    await server.command("say elsewhere gone");
    await bob.send("lobby", "here");
    const { before } = await alice.said("bob", "here");
    assert.ok(!before.some(({ content }) => content === "gone"));
    await endsWell(alice);
  });

  it(`pipe brings ${COUNT} messages through once and in order`, async (t) => {
    const server = await SocketIoServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    const sent = numbered("alice");
    for (const [n, content] of sent.entries()) alice.send("lobby", content, `ref ${n}`);
    await bob.said(sent.at(-1), "alice");
    await endsWell(alice);
    assert.deepEqual(numberedIn(bob.frames), sent);
    assert.deepEqual(numberedIn(alice.events), sent);
    const deliveries = alice.events.filter(({ type }) => type === "delivery");
    assert.deepEqual(
      deliveries.map(({ ref, status, seq }) => `${ref} ${status} ${seq}`),
      sent.map((_, n) => `ref ${n} acked ${n + 1}`),
    );
  });

  it("a refused message has failed with the handler's code and its words", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    alice.send("lobby", "a forbidden word", "1");
    const { event, before } = await alice.delivery("1");
    assert.deepEqual(before.filter(({ type }) => type === "error"), []);
    const { status, code, message, answer } = event;
    assert.deepEqual({ status, code, message }, { status: "failed", code: "forbidden", message: "mind your language" });
    assert.deepEqual(answer, { ok: false, code: "forbidden", message: "mind your language" });
    alice.endInput();
    assert.equal(await alice.exited(), 1, alice.stderr);
  });

  it("a namespace is a world of its own, and one that does not exist ends with status 3", async (t) => {
    const server = await SocketIoServer.start(t);
    const bob = await inLobby(t, server, "bob", { namespace: "/chat" });
    const alice = await aliceIn(t, server, "--namespace", "/chat");
    await joined(alice);
    assert.match(await server.opened("alice"), / \/chat /);
    await server.command("say lobby elsewhere");
    await bob.send("lobby", "hello from /chat");
    const { before } = await alice.said("bob", "hello from /chat");
    assert.ok(!before.some(({ type }) => type === "message"));
    await endsWell(alice);
    const lost = new Pipe(t, server.url, "alice", ...SOCKET_IO, "--namespace", "/nowhere");
    const { event } = await lost.state("failed");
    assert.equal(event.reason, "unknown_namespace");
    assert.equal(await lost.exited(), 3);
  });

  it("other names for the events are a matter of the command line", async (t) => {
    const names = "join_room=chat:join,leave_room=chat:leave,send_message=chat:say,message=chat:said";
    const server = await SocketIoServer.start(t, "--names", names);
    const alice = await aliceIn(t, server, "--event-map", names);
    await joined(alice);
    alice.send("lobby", "by another name", "1");
    await alice.said("alice", "by another name");
    alice.put({ type: "leave_room", roomId: "lobby" });
    await server.line((line) => line === "left alice lobby", "the leave");
    await endsWell(alice);
  });

  it("what is for this user alone is a notification, and so is any other event that the map names", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server, "--event-map", "notification=badge");
    await server.command('notify alice invite {"room":"x"}');
    await server.command("notify bob invite {}");
    await server.command('emit alice ignored {"n":1}');
    await server.command('emit alice badge {"n":3}');
    const { event, before } = await alice.event(({ kind }) => kind === "badge", "the badge");
    assert.deepEqual(event, { type: "notification", kind: "badge", data: { n: 3 } });
    const earlier = before.filter(({ type }) => type === "notification");
    assert.deepEqual(earlier, [{ type: "notification", kind: "invite", data: { room: "x" } }]);
    await endsWell(alice);
  });

  for (const subcommand of ["pipe", "send", "tail"]) {
    it(`${subcommand} ends with status 3 when the middleware refuses the token, in the server's words`, async (t) => {
      const server = await SocketIoServer.start(t, "--tokens", "alice");
      const words = subcommand === "send" ? ["hello"] : [];
      const args = [subcommand, server.url, ...SOCKET_IO, "-r", "lobby", "--token", "s3cr3t", ...words];
      const stranger = new Rejoin(t, ...args);
      assert.equal(await stranger.exited(), 3, stranger.stderr);
      const all = [...stranger.lines.entries, stranger.stderr].join();
      assert.ok(all.includes("this token is not on the list") && !all.includes("s3cr3t"), all);
      if (subcommand === "pipe") {
        const { state, reason, data } = JSON.parse(stranger.lines.entries.at(-1));
        assert.deepEqual({ state, reason, data }, { state: "failed", reason: "unauthorized", data: { code: "E_TOKEN" } });
      } else {
        assert.ok(all.includes('({"code":"E_TOKEN"})'), all);
      }
    });
  }

  it("a refused token is fetched anew once, and the fresh one is let in", async (t) => {
    const server = await SocketIoServer.start(t, "--tokens", "fresh");
    const folder = await mkdtemp(join(tmpdir(), "rejoin-"));
    t.after(() => rm(folder, { recursive: true }));
    const mark = join(folder, "asked");
    const command = `if test -e ${mark}; then echo fresh; else touch ${mark}; echo stale; fi`;
    const args = ["send", server.url, ...SOCKET_IO, "-r", "lobby", "--token-command", command, "hello"];
    const alice = new Rejoin(t, ...args);
    assert.match(await server.opened("fresh"), /^opened fresh /);
    assert.equal(await alice.exited(), 0, alice.stderr);
  });

  it("a cut costs nothing where the server recovers sessions: no gap, and what was missed in its order", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const { alice } = await aliceAndBob(t, server);
    await server.command("say lobby before");
    await server.command("volatile lobby busy");
    await alice.said("server", "volatile busy");
    for (const round of ["a", "b"]) {
      await server.command(`miss alice lobby one-${round} two-${round}`);
      await alice.state("reconnecting");
      const { event } = await joined(alice);
      assert.deepEqual(event, { type: "joined", roomId: "lobby", recovered: true, replayed: 2 });
      const { before } = await alice.said("server", `two-${round}`);
      assert.deepEqual(before.map(({ content }) => content), [`one-${round}`]);
    }
    alice.send("lobby", "still in it", "1");
    await alice.said("alice", "still in it");
    assert.deepEqual(alice.events.filter(({ type }) => type === "gap"), []);
    const contents = alice.events.filter(({ type }) => type === "message").map(({ content }) => content);
    assert.deepEqual(contents, [
      ...["before", "volatile busy", "one-a", "two-a", "one-b", "two-b", "still in it"],
    ]);
    await endsWell(alice);
  });

  it("a cut costs a gap where the server recovers nothing, and the room is joined again", async (t) => {
    const server = await SocketIoServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    await server.command("miss alice lobby one two");
    await alice.state("reconnecting");
    const { event: gap } = await alice.event(({ type }) => type === "gap", "the gap");
    assert.deepEqual(gap, { type: "gap", roomId: "lobby", after: null, before: null, reason: "reconnected" });
    const { event } = await joined(alice);
    assert.deepEqual(event, {
      type: "joined", roomId: "lobby", recovered: false, replayed: 0, answer: { ok: true },
    });
    await bob.send("lobby", "welcome back");
    const { before } = await alice.said("bob", "welcome back");
    assert.ok(!before.some(({ type }) => type === "message"));
    await endsWell(alice);
  });

  it("a server that is killed and started again is found again, and what waited is sent then", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const alice = await aliceIn(t, server);
    await joined(alice);
    await server.command("say lobby before");
    await alice.said("server", "before");
    server.kill("SIGKILL");
    await alice.state("reconnecting");
    alice.send("lobby", "written while it was away", "1");
    const next = await SocketIoServer.start(t, "--recovery", "--port", server.port);
    await alice.event(({ type }) => type === "gap", "the gap");
    const { event } = await alice.delivery("1");
    assert.equal(event.status, "acked");
    await next.command("say lobby after");
    await alice.said("server", "after");
    await endsWell(alice);
  });

  it("a server that stands still is noticed by its silence, and found again when it goes on", async (t) => {
    const server = await SocketIoServer.start(t, "--ping", "1000,1000");
    const alice = await aliceIn(t, server);
    server.kill("SIGSTOP");
    const { event } = await alice.state("reconnecting");
    assert.deepEqual({ code: event.code, reason: event.reason }, { code: 4900, reason: "dead_peer" });
    server.kill("SIGCONT");
    await alice.connected("socketio");
    await endsWell(alice);
  });

  it("a handler that never answers leaves a message unknown, and written where no answer is asked for", async (t) => {
    const server = await SocketIoServer.start(t, "--no-acks");
    const alice = await aliceIn(t, server);
    alice.send("lobby", "anybody?", "1");
    await alice.said("alice", "anybody?");
    const { event } = await alice.delivery("1");
    assert.equal(event.status, "unknown");
    alice.endInput();
    assert.equal(await alice.exited(), 1, alice.stderr);
    const bob = await aliceIn(t, server, "--no-acks");
    bob.send("lobby", "never mind", "2");
    const { event: other } = await bob.delivery("2");
    assert.equal(other.status, "written");
    await endsWell(bob);
  });

  it("bytes come as base64 text", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    await joined(alice);
    await server.command("binary lobby 00ff01");
    await alice.said("server", "AP8B");
    await endsWell(alice);
  });

  it("a server that asks gets an answer", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    await server.command("ask alice");
    await endsWell(alice);
  });

  it("being thrown out by the server is the end", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    await server.command("kick alice");
    const { event } = await alice.state("failed");
    assert.equal(event.reason, "server_closed");
    assert.equal(await alice.exited(), 3);
    await server.command("kick alice");
    const openings = server.lines.entries.filter((line) => line.startsWith("opened alice"));
    assert.equal(openings.length, 1, "it came back");
  });

  it("a server of Socket.IO 2 is told from others, and the end", async (t) => {
    // Its first words, as its own page has them: it lets everybody into the main namespace, without an id.
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    t.after(() => server.close());
    server.on("connection", (socket) => {
      socket.send('0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":5000}');
      socket.send("40");
    });
    await new Promise((resolve) => server.on("listening", resolve));
    const alice = new Pipe(t, `http://127.0.0.1:${server.address().port}/`, "alice", ...SOCKET_IO);
    const { event } = await alice.state("failed");
    assert.equal(event.reason, "incompatible");
    assert.match(event.message, /Socket\.IO 2/);
    assert.equal(await alice.exited(), 3);
  });

  it("send is done when the handler has answered, and fails when it refuses", async (t) => {
    const server = await SocketIoServer.start(t);
    const bob = await inLobby(t, server, "bob");
    const send = (text) => new Rejoin(t, "send", server.url, ...SOCKET_IO, "-r", "lobby", "--token", "alice", text);
    const alice = send("hello from a script");
    assert.equal(await alice.exited(), 0, alice.stderr);
    await bob.said("hello from a script", "alice");
    const refused = send("a forbidden word");
    assert.equal(await refused.exited(), 1);
    assert.match(refused.stderr, /mind your language \[forbidden\]/);
  });

  it("a room that lets nobody in for good ends tail with 3, and send says so beside what became of the message", async (t) => {
    const server = await SocketIoServer.start(t);
    const tail = new Rejoin(t, "tail", server.url, ...SOCKET_IO, "-r", "staff", "--token", "alice");
    assert.equal(await tail.exited(), 3);
    assert.match(tail.stderr, /none of the rooms/);
    const send = new Rejoin(t, "send", server.url, ...SOCKET_IO, "-r", "staff", "--token", "alice", "hi");
    assert.equal(await send.exited(), 1);
    assert.match(send.stderr, /staff could not be joined/);
  });

  it("an ack that says no is a failure in each of its forms, and a text is one where it is said to be", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await aliceIn(t, server);
    const outcomes = {
      '"world"': ["acked", undefined, "world"],
      "": ["acked", undefined, undefined],
      '"boom",null': ["failed", "boom", ["boom", null]],
      '"boom",{"id":"m1"}': ["failed", "boom", ["boom", { id: "m1" }]],
      '{"err":"boom"}': ["failed", "boom", { err: "boom" }],
      '{"success":false,"reason":"muted"}': ["failed", "muted", { success: false, reason: "muted" }],
      '{"status":403}': ["failed", undefined, { status: 403 }],
    };
    for (const args of Object.keys(outcomes)) alice.send("lobby", `ack ${args}`, args);
    for (const [args, [status, words, answer]] of Object.entries(outcomes)) {
      const { event } = await alice.delivery(args);
      assert.deepEqual([event.status, event.answer], [status, answer], args);
      if (words) assert.equal(event.message, words);
    }
    alice.endInput();
    assert.equal(await alice.exited(), 1, alice.stderr);
    const strict = await aliceIn(t, server, "--ack-text", "error");
    strict.send("lobby", 'ack "no such room"', "1");
    const { event } = await strict.delivery("1");
    assert.deepEqual([event.status, event.code, event.message, event.answer], ["failed", "other", "no such room", "no such room"]);
    strict.endInput();
    assert.equal(await strict.exited(), 1, strict.stderr);
  });

  it("send and chat show what the server answered, and no answer acts on the terminal", async (t) => {
    const server = await SocketIoServer.start(t);
    const args = ["-r", "lobby", "--token", "alice", ...SOCKET_IO];
    const send = new Rejoin(t, "send", server.url, ...args, 'ack "world\\u001b[2J"');
    assert.equal(await send.exited(), 0, send.stderr);
    assert.deepEqual(send.lines.entries, ["the server answered: world^[[2J"]);
    const refused = new Rejoin(t, "send", server.url, ...args, "--ack-text", "error", 'ack "no such\\u001b[2J room"');
    assert.equal(await refused.exited(), 1);
    assert.match(refused.stderr, /the server refused it: no such\^\[\[2J room \[other\]/);
    const chat = new Rejoin(t, "chat", server.url, ...args);
    await chat.line((line) => line.includes("joined lobby"), "the join");
    chat.write('ack "world"\n');
    await chat.line((line) => line.endsWith("the server answered: world"), "the answer");
    chat.write('ack "boom",null\n');
    await chat.line((line) => line.endsWith("(not sent: the server refused it (boom))"), "the failure with the words");
    chat.write("/quit\n");
    assert.equal(await chat.exited(), 1, chat.stderr);
  });

  it("ids and times may be numbers, and a message may have no time", async (t) => {
    const server = await SocketIoServer.start(t, "--numbers");
    const alice = await aliceIn(t, server);
    await joined(alice);
    await server.command("say lobby hello");
    const { event } = await alice.said("17", "hello");
    assert.equal(event.timestamp, "2026-11-28T08:00:00.123Z");
    await server.command('emit alice message {"roomId":"lobby","userId":9007199254740993,"content":"timeless"}');
    const { event: other } = await alice.event(({ content }) => content === "timeless", "the message");
    // What JavaScript makes of it.
    assert.deepEqual(other, { type: "message", roomId: "lobby", userId: "9007199254740992", content: "timeless" });
    await endsWell(alice);
  });

  it("a notification is kept whole, with all its arguments, over a recovery too", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const alice = await aliceIn(t, server, "--event-map", "notification=order");
    await joined(alice);
    const told = async (command) => {
      await server.command(command);
      const { event } = await alice.event(({ type }) => type === "notification", command);
      return event;
    };
    const whole = { kind: "k", title: "t", body: "b" };
    const first = await told(`emit alice notification ${JSON.stringify(whole)}`);
    assert.deepEqual(first, { type: "notification", kind: "k", data: whole });
    assert.deepEqual(await told('emit alice order 7 "now"'), { type: "notification", kind: "order", data: [7, "now"] });
    assert.deepEqual(await told('emit alice order "alone"'), { type: "notification", kind: "order", data: "alone" });
    await server.command("drop alice");
    const { event } = await alice.event(({ type, roomId }) => type === "joined" && roomId === "@me", "the recovery");
    assert.deepEqual(event, { type: "joined", roomId: "@me", recovered: true, replayed: 0 });
    await endsWell(alice);
  });

  it("notifications alone can be followed, and have a gap after a reconnect without recovery", async (t) => {
    const server = await SocketIoServer.start(t);
    const args = [server.url, ...SOCKET_IO, "--event-map", "notification=order", "--token", "alice"];
    const pipe = new Rejoin(t, "pipe", ...args);
    const tail = new Rejoin(t, "tail", ...args);
    await tail.line((line) => line.includes("notifications are shown"), "the connection");
    await pipe.line((line) => line.includes('"mode":"socketio"'), "the connection");
    await server.command('emit alice order {"n":1}');
    await tail.line((line) => line.endsWith('notification: order {"n":1}'), "the notification");
    await server.command("drop alice");
    await tail.line((line) => /notifications may .*: the connection was lost/.test(line), "the gap");
    const { found } = await pipe.line((line) => line.includes('"gap"'), "the gap");
    const gap = { type: "gap", roomId: "@me", after: null, before: null, reason: "reconnected" };
    assert.deepEqual(JSON.parse(found), gap);
    await server.command('emit alice order {"n":2}');
    await tail.line((line) => line.includes('{"n":2}'), "the next one");
    await pipe.line((line) => line.includes('{"n":2}'), "the next one");
    pipe.endInput();
    assert.equal(await pipe.exited(), 0, pipe.stderr);
    const nothing = new Rejoin(t, "tail", server.url, ...SOCKET_IO, "--token", "alice");
    assert.equal(await nothing.exited(), 2);
  });

  it("what could not be sent is kept in the state file and sent by the next run", async (t) => {
    const server = await SocketIoServer.start(t);
    const bob = await inLobby(t, server, "bob");
    const folder = await mkdtemp(join(tmpdir(), "rejoin-"));
    t.after(() => rm(folder, { recursive: true }));
    const state = ["--state", join(folder, "state"), "-r", "lobby", "--token", "alice", ...SOCKET_IO];
    const away = await SocketIoServer.start(t);
    away.kill("SIGKILL");
    await away.exited();
    const first = new Rejoin(t, "send", away.url, ...state, "--timeout", "1", "kept");
    assert.equal(await first.exited(), 1);
    assert.match(first.stderr, /\[kept\]/);
    await SocketIoServer.start(t, "--port", away.port);
    const second = new Rejoin(t, "send", away.url, ...state, "and another");
    assert.equal(await second.exited(), 0, second.stderr);
  });

  it("chat talks with a socket.io-client, and shows an own message once", async (t) => {
    const server = await SocketIoServer.start(t);
    const bob = await inLobby(t, server, "bob");
    const alice = new Rejoin(t, "chat", server.url, ...SOCKET_IO, "-r", "lobby", "--token", "alice");
    await bob.sees("alice");
    await bob.send("lobby", "hello alice");
    await alice.line((line) => line.includes("hello alice"), "bob's words");
    alice.write("hello bob\n");
    await bob.said("hello bob", "alice");
    await alice.line((line) => line.includes("hello bob"), "the own words");
    alice.write("/quit\n");
    assert.equal(await alice.exited(), 0, alice.stderr);
    const shown = alice.lines.entries.filter((line) => line.includes("hello bob"));
    assert.equal(shown.length, 1, shown.join("\n"));
  });

  it("tail follows a room over a cut", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const alice = new Rejoin(t, "tail", server.url, ...SOCKET_IO, "-r", "lobby", "--token", "alice", "--json");
    await alice.line((line) => line.includes('"joined"'), "the join");
    await server.command("say lobby before");
    await server.command("miss alice lobby missed");
    await alice.line((line) => line.includes("missed"), "what was missed");
    alice.kill("SIGINT");
    assert.equal(await alice.exited(), 130, alice.stderr);
  });

  it("doctor goes through each step, and says at which one it ends", async (t) => {
    const server = await SocketIoServer.start(t, "--tokens", "alice");
    const doctor = (...args) => new Rejoin(t, "doctor", server.url, ...SOCKET_IO, ...args);
    const well = doctor("--token", "alice");
    assert.equal(await well.exited(), 0, well.lines.entries.join("\n"));
    const report = well.lines.entries.join("\n");
    for (const step of [/^ok +hello +Socket\.IO/m, /^ok +token +not refused/m, /^ok +ping +answered/m]) {
      assert.match(report, step);
    }
    const stranger = doctor("--token", "s3cr3t");
    assert.equal(await stranger.exited(), 1);
    assert.match(stranger.lines.entries.join("\n"), /^failed +token .*this token is not on the list/m);
    const lost = doctor("--token", "alice", "--namespace", "/nowhere");
    assert.equal(await lost.exited(), 1);
    assert.match(lost.lines.entries.join("\n"), /^failed +hello .*no such namespace/m);
  });

  it("doctor names it, and the option for it, where a plain address was given", async (t) => {
    const server = await SocketIoServer.start(t, "--tokens", "alice");
    const plain = `ws://127.0.0.1:${server.port}`;
    const doctor = new Rejoin(t, "doctor", `${plain}/`, "--token", "alice");
    assert.equal(await doctor.exited(), 1);
    const report = doctor.lines.entries.join("\n");
    assert.match(report, /^warning +hello +a Socket\.IO server answers/m);
    assert.match(report, new RegExp(`http://127\\.0\\.0\\.1:${server.port} with --protocol socketio`));
  });

  it("a chat shows the address that was given, and not the engine's", async (t) => {
    const server = await SocketIoServer.start(t);
    const chat = new Rejoin(t, "chat", `${server.url}?a=b`, ...SOCKET_IO, "-r", "lobby", "--token", "alice");
    const { found } = await chat.line((line) => line.includes("connecting to"), "the address");
    assert.equal(found, `* connecting to ${server.url}`);
  });

  it("a path that may be a namespace and a server that only polls are named as what they are", async (t) => {
    const server = await SocketIoServer.start(t);
    const args = [...SOCKET_IO, "-r", "lobby", "--token", "alice"];
    const lost = new Pipe(t, `${server.url}chat`, "alice", "-r", "lobby", ...SOCKET_IO);
    const { event } = await lost.state("reconnecting");
    assert.match(event.message, /--namespace \/chat\)/);
    const polling = await SocketIoServer.start(t, "--polling");
    const websocket = ["--transports", "websocket"];
    const alice = new Rejoin(t, "send", polling.url, ...args, ...websocket, "hi");
    assert.equal(await alice.exited(), 3, alice.stderr);
    assert.match(alice.stderr, /allows long polling only/);
    const doctor = new Rejoin(t, "doctor", polling.url, ...SOCKET_IO, ...websocket, "--token", "alice");
    assert.equal(await doctor.exited(), 1);
    assert.match(doctor.lines.entries.join("\n"), /^failed +upgrade .*long polling only/m);
  });

  it("its address and its options are refused where no Socket.IO is meant", async (t) => {
    for (const [args, word] of [
      [["http://127.0.0.1:1/"], "--protocol socketio"],
      [["ws://127.0.0.1:1/", "--namespace", "/n"], "--protocol socketio"],
      [["ws://127.0.0.1:1/", "--event-map", "message=m"], "--protocol socketio"],
      [["http://127.0.0.1:1/", ...SOCKET_IO, "--namespace", "n"], "/admin"],
    ]) {
      const refused = new Rejoin(t, "pipe", ...args);
      assert.equal(await refused.exited(), 2);
      assert.ok(refused.stderr.includes(word), refused.stderr);
    }
  });
});
