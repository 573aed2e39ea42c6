// Our command line against a plain server that someone else wrote.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aliceAndBob, endsWell, plainInLobby } from "./lobby.mjs";
import { PlainClient } from "./plain-client.mjs";
import { Pipe, PlainServer, Rejoin } from "./processes.mjs";
import { COUNT, countTo, numbered, numberedIn } from "./sequences.mjs";

/** Two heartbeats of the client and its grace: a frozen server is found out by silence. */
const SILENCE_DEADLINE_MS = 120_000;

/** A base frame that asks for an answer, in case the server turns out to give one. */
function isFirstContact({ ref, ...frame }) {
  const fields = { join_room: ["roomId", "type"], send_message: ["content", "roomId", "type"] }[frame.type] ?? [];
  return /^[js]\d+(-\d+)?$/.test(ref) && Object.keys(frame).sort().join() === fields.join();
}

describe("our command line on a plain server", { concurrency: 3 }, () => {
  it("pipe says connecting first, then connected in mode plain, with the token in the header", async (t) => {
    const server = await PlainServer.start(t);
    const alice = new Pipe(t, server.url, "alice", "-r", "lobby");
    const { found } = await server.opened("alice");
    assert.equal(found, "opened alice header");
    await alice.connected();
    const [first] = alice.events;
    assert.equal(first.type, "state");
    assert.equal(first.state, "connecting");
    await endsWell(alice);
  });

  it("a token in the URL is sent in the URL, and --token-in query sends any other there", async (t) => {
    const server = await PlainServer.start(t, "--query-only", "--tokens", "alice");
    const inUrl = `${server.url}?token=alice`;
    for (const [url, ...options] of [[inUrl], [server.url, "--token", "alice", "--token-in", "query"]]) {
      const alice = new Rejoin(t, "send", url, "-r", "lobby", ...options, "hi");
      assert.equal((await server.opened("alice")).found, "opened alice query");
      assert.equal(await alice.exited(), 0, alice.stderr);
    }
    const refused = new Rejoin(t, "send", server.url, "-r", "lobby", "--token", "alice", "hi");
    assert.equal(await refused.exited(), 3, refused.stderr);
    const doctor = new Rejoin(t, "doctor", server.url, "--token", "alice");
    await doctor.line((line) => line.includes("--token-in query"), "the other place");
  });

  it("pipe carries frames in and events out, to the field", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    alice.send("lobby", "hello bob", "first");
    const { frame } = await bob.said("alice", "hello bob");
    const { event } = await alice.event(({ type }) => type === "message" || type === "delivery", "an event");
    const { event: other } = await alice.event(({ type }) => type === "message" || type === "delivery", "another");
    const byType = { [event.type]: event, [other.type]: other };
    assert.deepEqual(byType.message, frame);
    assert.deepEqual(byType.delivery, { type: "delivery", ref: "first", roomId: "lobby", status: "written" });
    const echo = await bob.send("lobby", "hello alice");
    assert.deepEqual((await alice.said("bob", "hello alice")).event, echo);
    const carol = await PlainClient.open(t, server.url, "carol");
    carol.join("lobby");
    const { event: joined } = await alice.event(({ type }) => type === "user_joined", "user_joined");
    assert.deepEqual(joined, { type: "user_joined", roomId: "lobby", userId: "carol" });
    await carol.settled("lobby");
    await endsWell(alice);
    assert.equal(alice.events.filter(({ type }) => type === "delivery").length, 1);
    await bob.finish();
    await carol.finish();
  });

  it("pipe joins and leaves rooms as its input says", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    bob.join("elsewhere");
    await bob.settled("elsewhere");
    alice.put({ type: "join_room", roomId: "elsewhere" });
    await bob.frame(({ type, roomId }) => type === "user_joined" && roomId === "elsewhere", "alice elsewhere");
    await bob.send("elsewhere", "welcome");
    await alice.said("bob", "welcome");
    alice.put({ type: "leave_room", roomId: "elsewhere" });
    alice.send("lobby", "I have left", "left");
    await bob.said("alice", "I have left");
    await bob.send("elsewhere", "alice is gone");
    await bob.send("lobby", "alice is here");
    const { before } = await alice.said("bob", "alice is here");
    assert.ok(!before.some(({ roomId }) => roomId === "elsewhere"));
    await endsWell(alice);
    await bob.finish();
  });

  it("pipe announces a gap after a lost connection, and the flow resumes", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    await server.command("drop alice");
    await alice.state("reconnecting");
    await alice.connected();
    await bob.joined("alice");
    await bob.send("lobby", "welcome back");
    const { before } = await alice.event(({ type }) => type === "message", "the first message after the loss");
    const gaps = alice.events.filter(({ type }) => type === "gap");
    assert.equal(gaps.length, 1);
    assert.equal(gaps[0].roomId, "lobby");
    const order = alice.events.map(({ type }) => type);
    assert.ok(order.indexOf("gap") < order.indexOf("message"), JSON.stringify(before));
    alice.send("lobby", "thank you", "1");
    await bob.said("alice", "thank you");
    await alice.delivery("1");
    await endsWell(alice);
    await bob.finish();
  });

  for (const code of [1001, 1012, 4010, 4100]) {
    it(`pipe comes back after close code ${code}`, async (t) => {
      const server = await PlainServer.start(t);
      const { alice, bob } = await aliceAndBob(t, server);
      await server.command(`close ${code} alice`);
      const { event } = await alice.state("reconnecting");
      assert.equal(event.code, code);
      await alice.connected();
      await bob.joined("alice");
      await endsWell(alice);
      await bob.finish();
    });
  }

  for (const code of [1000, 4003, 4500]) {
    it(`pipe ends with status 3 after close code ${code}, and tries no more`, async (t) => {
      const server = await PlainServer.start(t);
      const { alice, bob } = await aliceAndBob(t, server);
      await server.command(`close ${code} alice`);
      const { event } = await alice.state("failed");
      assert.equal(event.code, code);
      assert.equal(await alice.exited(), 3);
      const { before } = await bob.settled("lobby");
      assert.deepEqual(before, []);
      await bob.finish();
    });
  }

  for (const subcommand of ["pipe", "send", "tail"]) {
    it(`${subcommand} ends with status 3 when the token is refused, and never shows the token`, async (t) => {
      const server = await PlainServer.start(t, "--tokens", "alice");
      const words = subcommand === "send" ? ["hello"] : [];
      const stranger = new Rejoin(t, subcommand, server.url, "-r", "lobby", "--token", "s3cr3t-t0ken", ...words);
      assert.equal(await stranger.exited(), 3, stranger.stderr);
      assert.ok(![...stranger.lines.entries, stranger.stderr].join().includes("s3cr3t-t0ken"));
      if (subcommand === "pipe") {
        const { state, code } = JSON.parse(stranger.lines.entries.at(-1));
        assert.deepEqual({ state, code }, { state: "failed", code: 4001 });
      } else {
        assert.match(stranger.stderr, /\S/, "the reason is told");
      }
    });
  }

  it(`pipe brings ${COUNT} messages through once and in order`, async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    const arrived = bob.frame(countTo(COUNT), `message ${COUNT}`);
    const sent = numbered("alice");
    for (const [n, content] of sent.entries()) alice.send("lobby", content, `ref ${n}`);
    await arrived;
    await alice.event(countTo(COUNT), `echo ${COUNT}`);
    await endsWell(alice);
    assert.deepEqual(numberedIn(bob.frames), sent);
    assert.deepEqual(numberedIn(alice.events), sent);
    const deliveries = alice.events.filter(({ type }) => type === "delivery");
    assert.deepEqual(
      deliveries.map(({ ref, status }) => `${ref} ${status}`),
      sent.map((_, n) => `ref ${n} written`),
    );
    await bob.finish();
  });

  it("pipe answers a bad line with its number and loses nothing else", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    alice.send("lobby", "one", "1");
    alice.write("this is no frame\n");
    alice.send("lobby", "three", "3");
    const { event } = await alice.event(({ type }) => type === "error", "the error");
    assert.equal(event.line, 2);
    await bob.said("alice", "one");
    await bob.said("alice", "three");
    alice.endInput();
    await alice.exited();
    await bob.finish();
  });

  it("pipe passes over frame types and fields it does not know", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    bob.vanish(); // this server mode would rightly offend a strict client
    await server.command("unknown");
    const { before } = await alice.said("newcomer", "fields nobody knows");
    assert.deepEqual(before.map(({ type, userId }) => ({ type, userId })), [{ type: "user_joined", userId: "newcomer" }]);
    await endsWell(alice);
  });

  it("pipe lives through garbage from the server", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    bob.vanish();
    await server.command("garbage");
    const carol = await PlainClient.open(t, server.url, "carol");
    carol.join("lobby");
    await carol.send("lobby", "are you there?");
    const { before } = await alice.said("carol", "are you there?");
    assert.ok(!before.some(({ type, userId }) => type === "message" && userId === "mallory"));
    alice.send("lobby", "yes", "1");
    await carol.said("alice", "yes");
    alice.endInput();
    assert.equal(await alice.exited(), 0, alice.stderr);
    await carol.finish();
  });

  it("pipe works with a server from before leave_room", async (t) => {
    const server = await PlainServer.start(t, "--no-leave");
    const { alice, bob } = await aliceAndBob(t, server);
    alice.put({ type: "join_room", roomId: "elsewhere" });
    alice.put({ type: "leave_room", roomId: "elsewhere" });
    alice.send("lobby", "still here", "1");
    await bob.said("alice", "still here");
    bob.join("elsewhere");
    await bob.settled("elsewhere");
    await server.command("drop alice");
    await alice.state("reconnecting");
    await bob.joined("alice");
    alice.send("lobby", "back", "2");
    await bob.said("alice", "back");
    const joinedAgain = ({ type, roomId }) => type === "user_joined" && roomId === "elsewhere";
    assert.ok(!bob.frames.some(joinedAgain), "a room that was left is not joined again");
    await endsWell(alice);
    await bob.finish();
  });

  it("pipe notices a frozen server by its silence, and is back when it thaws", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    await server.command("freeze");
    await alice.event(
      ({ type, state }) => type === "state" && state === "reconnecting",
      "state reconnecting",
      SILENCE_DEADLINE_MS,
    );
    await server.command("thaw");
    await alice.connected();
    alice.send("lobby", "good morning", "1");
    await bob.said("alice", "good morning");
    await endsWell(alice);
    await bob.finish();
  });

  it("pipe sends base frames, with a ref at most until the mode is known, over joins, leaves, sends and a reconnect", async (t) => {
    const server = await PlainServer.start(t, "--strict-unknown-frames");
    const { alice, bob } = await aliceAndBob(t, server);
    alice.put({ type: "join_room", roomId: "elsewhere", ref: "join" });
    alice.send("elsewhere", "with a ref", "send");
    alice.put({ type: "send_message", roomId: "lobby", content: "without a ref" });
    alice.put({ type: "leave_room", roomId: "elsewhere", ref: "leave" });
    await bob.said("alice", "without a ref");
    // A leave waits for what was sent to its room; what is said after that comes behind it.
    await alice.delivery("send");
    alice.send("lobby", "out of elsewhere", "out");
    await bob.said("alice", "out of elsewhere");
    await server.command("drop alice");
    await alice.state("reconnecting");
    await alice.connected();
    alice.send("lobby", "after the reconnect", "again");
    await bob.said("alice", "after the reconnect");
    await endsWell(alice);
    await bob.finish();
    const report = await server.report();
    assert.deepEqual(report.unknown.filter((frame) => !isFirstContact(frame)), []);
    assert.ok(report.frames >= 10, `${report.frames} frames`);
    await server.exited();
  });

  it("pipe ends with 0 when its input ends or says close", async (t) => {
    const server = await PlainServer.start(t);
    const { alice, bob } = await aliceAndBob(t, server);
    alice.put({ type: "close" });
    assert.equal(await alice.exited(), 0, alice.stderr);
    await server.line((line) => line === "lost alice", "the loss of alice");
    await bob.finish();
  });

  it("send brings one message from its arguments", async (t) => {
    const server = await PlainServer.start(t);
    const bob = await plainInLobby(t, server, "bob");
    const alice = new Rejoin(t, "send", server.url, "-r", "lobby", "--token", "alice", "hello from a script");
    await bob.said("alice", "hello from a script");
    assert.equal(await alice.exited(), 0, alice.stderr);
    await bob.finish();
  });

  it("send brings its input line by line, in order", async (t) => {
    const server = await PlainServer.start(t);
    const bob = await plainInLobby(t, server, "bob");
    const arrived = bob.frame(countTo(COUNT), `message ${COUNT}`);
    const alice = new Rejoin(t, "send", server.url, "-r", "lobby", "--token", "alice");
    alice.write(`${numbered("alice").join("\n")}\n`);
    alice.endInput();
    await arrived;
    assert.equal(await alice.exited(), 0, alice.stderr);
    assert.deepEqual(numberedIn(bob.frames), numbered("alice"));
    await bob.finish();
  });

  it("tail follows a room over a lost connection, and ends with 130 when interrupted", async (t) => {
    const server = await PlainServer.start(t, "--strict-unknown-frames");
    const bob = await plainInLobby(t, server, "bob");
    const alice = new Rejoin(t, "tail", server.url, "-r", "lobby", "--token", "alice");
    await bob.joined("alice");
    await bob.send("lobby", "before the loss");
    await alice.line((line) => line.includes("before the loss"), "the first message");
    await server.command("drop alice");
    await bob.joined("alice");
    await bob.send("lobby", "after the loss");
    await alice.line((line) => line.includes("after the loss"), "the second message");
    alice.kill("SIGINT");
    assert.equal(await alice.exited(), 130, alice.stderr);
    await bob.finish();
    assert.deepEqual((await server.report()).unknown.filter((frame) => !isFirstContact(frame)), []);
  });
});
