// The peers against each other: what they demand of ours can be met, and the judge can say no.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WebSocket } from "ws";
import { PlainClient } from "./plain-client.mjs";
import { PlainServer } from "./processes.mjs";
import { WRONG_MODES } from "./wrong-delivery.mjs";

describe("the plain peers, proving themselves", { concurrency: 2 }, () => {
  it("talk to each other by the base contract without a complaint", async (t) => {
    const server = await PlainServer.start(t, "--strict-unknown-frames");
    const alice = await PlainClient.open(t, server.url, "alice");
    alice.join("lobby");
    await alice.settled("lobby");
    const bob = await PlainClient.open(t, server.url, "bob", { header: true });
    bob.join("lobby");
    await alice.joined("bob");
    await bob.send("lobby", "hello");
    await alice.said("bob", "hello");
    bob.leave("lobby");
    await bob.finish();
    await alice.finish();
    assert.deepEqual((await server.report()).unknown, []);
    assert.equal(await server.exited(), 0);
  });

  for (const mode of WRONG_MODES) {
    it(`the client notices a server that is wrong by ${mode}`, async (t) => {
      const server = await PlainServer.start(t, "--wrong", mode);
      const alice = await PlainClient.open(t, server.url, "alice");
      alice.join("lobby");
      const sent = [1, 2, 3, 4].map((n) => alice.send("lobby", ` message ${n} `));
      await assert.rejects(async () => {
        await Promise.all(sent);
        await alice.finish();
      }, /the server broke the base contract/);
    });
  }

  it("the client notices messages of a room it has left", async (t) => {
    const server = await PlainServer.start(t, "--no-leave");
    const alice = await PlainClient.open(t, server.url, "alice");
    const bob = await PlainClient.open(t, server.url, "bob");
    for (const client of [alice, bob]) {
      client.join("lobby");
      client.join("other");
      await client.settled("other");
    }
    alice.leave("lobby");
    await alice.settled("other");
    await bob.send("lobby", "is alice still here?");
    await assert.rejects(alice.said("bob", "is alice still here?"), /a room this client is not in/);
  });

  it("the client notices an echo that never came", async (t) => {
    const server = await PlainServer.start(t);
    const alice = await PlainClient.open(t, server.url, "alice");
    void alice.send("a room alice has not joined", "hello");
    await assert.rejects(alice.finish(), /no echo of \["hello"\]/);
  });

  for (const [what, text] of [
    ["a type it does not know", '{"type":"ping","t":1}'],
    ["a field it does not know", '{"type":"join_room","roomId":"lobby","ref":"1"}'],
    ["a field of another type", '{"type":"join_room","roomId":7}'],
    ["a frame that is not JSON", "hello"],
  ]) {
    it(`the strict server reports ${what} and exits with 1`, async (t) => {
      const server = await PlainServer.start(t, "--strict-unknown-frames");
      const alice = await PlainClient.open(t, server.url, "alice");
      alice.join("lobby");
      alice.raw(text);
      await alice.settled("lobby");
      await alice.finish();
      assert.equal((await server.report()).unknown.length, 1);
      assert.equal(await server.exited(), 1);
    });
  }

  it("a lost client comes back after one second, then two, and joins its rooms again", async (t) => {
    const first = await PlainServer.start(t);
    const alice = await PlainClient.open(t, first.url, "alice");
    alice.join("lobby");
    await alice.settled("lobby");
    await first.command("stop");
    await alice.closed();
    const retry = (ms) => alice.journal.until(({ retryIn }) => retryIn === ms, `the wait of ${ms} ms`);
    await retry(1_000);
    await retry(2_000); // the first attempt found nobody
    const second = await PlainServer.start(t, "--port", first.port);
    await alice.opened();
    await alice.settled("lobby");
    await alice.finish();
    await second.command("stop");
  });

  it("closing codes and drops reach only the user they name", async (t) => {
    const server = await PlainServer.start(t);
    const alice = await PlainClient.open(t, server.url, "alice", { reconnect: false });
    const bob = await PlainClient.open(t, server.url, "bob", { reconnect: false });
    const carol = await PlainClient.open(t, server.url, "carol");
    await server.command("close 4010 alice");
    assert.equal((await alice.closed()).found.close, 4010);
    await server.command("drop bob");
    assert.equal((await bob.closed()).found.close, 1006);
    carol.join("lobby");
    await carol.settled("lobby");
    await carol.finish();
  });

  it("a frozen server answers nothing until it thaws, then everything in order", async (t) => {
    const server = await PlainServer.start(t);
    const alice = await PlainClient.open(t, server.url, "alice");
    alice.join("lobby");
    await alice.settled("lobby");
    await server.command("freeze");
    const bob = new PlainClient(t, server.url, { token: "bob" });
    let thawing = false;
    const answers = [bob.opened(), ...[1, 2, 3].map((n) => alice.send("lobby", `${n}`))];
    const answered = answers.map((answer) => answer.then(() => assert.ok(thawing, "answered while frozen")));
    // Each round trip is time in which a server that is not frozen would answer.
    for (let n = 0; n < 5; n++) await server.command("freeze");
    thawing = true;
    await server.command("thaw");
    await Promise.all(answered);
    await alice.finish();
    await bob.finish();
  });

  it("a missing or unlisted token is closed with 4001 Unauthorized", async (t) => {
    const server = await PlainServer.start(t, "--tokens", "alice,bob");
    for (const token of [undefined, "mallory"]) {
      const stranger = new PlainClient(t, server.url, { token, reconnect: false });
      const { found } = await stranger.closed();
      assert.deepEqual(found, { close: 4001, reason: "Unauthorized", wasClean: true });
    }
  });

  it("the server terminates a peer that answers no ping", async (t) => {
    const server = await PlainServer.start(t, "--heartbeat", "100");
    const mute = await PlainClient.open(t, server.url, "mute", { reconnect: false, autoPong: false });
    const { found, skipped } = await mute.closed();
    assert.equal(found.close, 1006);
    assert.ok(skipped.some((entry) => entry.ping));
  });

  it("garbage and unknown frames are what they say", async (t) => {
    const server = await PlainServer.start(t);
    const seen = [];
    const socket = new WebSocket(`${server.url}?token=alice`);
    t.after(() => socket.terminate());
    await new Promise((resolve) => socket.on("open", resolve));
    const last = new Promise((resolve) => {
      socket.on("message", (data) => {
        seen.push(data.toString());
        if (seen.at(-1).includes('"thread"')) resolve();
      });
    });
    await server.command("garbage");
    await server.command("unknown");
    await last;
    assert.ok(seen.includes("this is not JSON"));
    assert.ok(seen.includes('{"type":"constructor"}'));
  });
});
