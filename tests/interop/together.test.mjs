// Our command line, our server and a plain client in one room.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aliceAndBob, endsWell } from "./lobby.mjs";
import { RejoinServer } from "./processes.mjs";
import { COUNT, countTo, numbered, numberedIn, sendPaced } from "./sequences.mjs";

/** What a plain client sees of a message. */
const base = ({ type, roomId, userId, content, timestamp }) => ({ type, roomId, userId, content, timestamp });

const start = (t, listen) => RejoinServer.start(t, "--listen", listen, "--rate", "1000000");

describe("our command line, our server and a plain client together", { concurrency: 2 }, () => {
  it("talk in one room", async (t) => {
    const server = await start(t, "127.0.0.1:0");
    const { alice, bob } = await aliceAndBob(t, server);
    alice.send("lobby", "hello bob", "1");
    const { frame } = await bob.said("alice", "hello bob");
    assert.deepEqual(base((await alice.said("alice", "hello bob")).event), frame);
    const echo = await bob.send("lobby", "hello alice");
    assert.deepEqual(base((await alice.said("bob", "hello alice")).event), echo);
    await endsWell(alice);
    await bob.finish();
  });

  it(`bring ${COUNT} messages each to both, complete and in one order`, async (t) => {
    const server = await start(t, "127.0.0.1:0");
    const { alice, bob } = await aliceAndBob(t, server);
    const all = Promise.all([
      alice.event(countTo(2 * COUNT), "the last numbered message"),
      bob.frame(countTo(2 * COUNT), "the last numbered message"),
    ]);
    for (const [n, content] of numbered("alice").entries()) alice.send("lobby", content, `${n}`);
    await sendPaced(bob, "lobby", numbered("bob"));
    await all;
    await endsWell(alice);
    assert.deepEqual(numberedIn(alice.events), numberedIn(bob.frames));
    for (const user of ["alice", "bob"]) assert.deepEqual(numberedIn(bob.frames, user), numbered(user));
    await bob.finish();
  });

  it("find each other again after the server was killed and started anew", async (t) => {
    const first = await start(t, "127.0.0.1:0");
    const { alice, bob } = await aliceAndBob(t, first);
    first.kill("SIGKILL");
    await alice.state("reconnecting");
    await bob.closed();
    await first.exited();
    await start(t, `127.0.0.1:${first.port}`);
    await alice.connected("extended");
    await bob.opened();
    await bob.settled("lobby");
    alice.send("lobby", "are you there?", "1");
    await bob.said("alice", "are you there?");
    await bob.send("lobby", "yes");
    await alice.said("bob", "yes");
    assert.equal(alice.events.filter(({ type, roomId }) => type === "gap" && roomId === "lobby").length, 1);
    await endsWell(alice);
    await bob.finish();
  });
});
