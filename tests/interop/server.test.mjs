// Our server and a client that knows the base contract only.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plainInLobby } from "./lobby.mjs";
import { PlainClient } from "./plain-client.mjs";
import { RejoinServer } from "./processes.mjs";
import { COUNT, countTo, numbered, numberedIn, sendPaced } from "./sequences.mjs";

const start = (t, ...args) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--rate", "1000000", ...args);

/** Clients of these users, all in the lobby and all knowing it. */
async function inLobby(t, server, ...users) {
  const clients = [];
  for (const user of users) clients.push(await plainInLobby(t, server, user));
  return clients;
}

const joinsIn = (frames, user) => frames.filter(({ type, userId }) => type === "user_joined" && userId === user).length;

/** Reads on to the next settled point of `client` and counts user_joined of `user` on the way. */
async function joinsSeen(client, user) {
  const { before } = await client.settled("lobby");
  return joinsIn(before, user);
}

describe("our server, judged by a plain client", { concurrency: 2 }, () => {
  for (const header of [false, true]) {
    it(`lets in a token that comes ${header ? "in the Authorization header" : "in the query"}`, async (t) => {
      const server = await start(t);
      const alice = await PlainClient.open(t, server.url, "alice", { header });
      alice.join("lobby");
      const { frame } = await alice.settled("lobby");
      assert.equal(frame.userId, "alice");
      await alice.finish();
    });
  }

  it("accepts the upgrade without a token and closes with 4001 Unauthorized", async (t) => {
    const server = await start(t);
    for (const token of [undefined, ""]) {
      const stranger = new PlainClient(t, server.url, { token, reconnect: false });
      await stranger.opened();
      const { found } = await stranger.closed();
      assert.deepEqual(found, { close: 4001, reason: "Unauthorized", wasClean: true });
    }
  });

  it("brings a message to every member of the room, the sender included, and to no one else", async (t) => {
    const server = await start(t);
    const [alice, bob] = await inLobby(t, server, "alice", "bob");
    const carol = await PlainClient.open(t, server.url, "carol");
    carol.join("elsewhere");
    await carol.settled("elsewhere");
    const echo = await alice.send("lobby", "hello");
    assert.deepEqual((await bob.said("alice", "hello")).frame, echo);
    await carol.settled("elsewhere"); // a message of the lobby would have broken carol's judge
    for (const client of [alice, bob, carol]) await client.finish();
  });

  it("tells of a join to the others only, and once however often it is repeated", async (t) => {
    const server = await start(t);
    const [alice] = await inLobby(t, server, "alice");
    const [bob] = await inLobby(t, server, "bob");
    bob.join("lobby");
    bob.join("lobby");
    await bob.settled("lobby");
    assert.equal(await joinsSeen(alice, "bob"), 1);
    assert.equal(joinsIn(bob.frames, "bob"), 0);
    await alice.finish();
    await bob.finish();
  });

  it("counts a user with several connections once", async (t) => {
    const server = await start(t);
    const [alice] = await inLobby(t, server, "alice");
    const options = { otherConnections: true };
    const phone = await PlainClient.open(t, server.url, "bob", options);
    const laptop = await PlainClient.open(t, server.url, "bob", options);
    phone.join("lobby");
    await phone.send("lobby", "from the phone");
    assert.equal(await joinsSeen(alice, "bob"), 1);
    laptop.join("lobby");
    await laptop.send("lobby", "from the laptop");
    assert.equal(await joinsSeen(alice, "bob"), 0, "a second connection is no join");
    phone.join("elsewhere");
    phone.leave("lobby");
    await phone.send("elsewhere", "the leave is done");
    phone.join("lobby");
    await phone.send("lobby", "back on the phone");
    assert.equal(await joinsSeen(alice, "bob"), 0, "the laptop was there all the time");
    for (const client of [phone, laptop]) {
      client.join("elsewhere");
      client.leave("lobby");
      await client.send("elsewhere", `the leave is done on ${client === phone ? "phone" : "laptop"}`);
    }
    laptop.join("lobby");
    await laptop.send("lobby", "back on the laptop");
    assert.equal(await joinsSeen(alice, "bob"), 1, "no connection had been in the room");
    assert.equal(joinsIn([...phone.frames, ...laptop.frames], "bob"), 0, "no user hears of itself");
    for (const client of [alice, phone, laptop]) await client.finish();
  });

  for (const [how, end] of [
    ["closes", (client) => client.finish()],
    ["vanishes", (client) => client.vanish()],
  ]) {
    it(`takes a connection that ${how} out of all rooms`, async (t) => {
      const server = await start(t);
      const [alice, bob] = await inLobby(t, server, "alice", "bob");
      await alice.joined("bob");
      await end(bob);
      // When the server gets to it is not told; once it has, joining anew is a join again.
      const again = await PlainClient.open(t, server.url, "bob");
      for (const deadline = Date.now() + 20_000; ; ) {
        again.join("lobby");
        await again.settled("lobby");
        if ((await joinsSeen(alice, "bob")) === 1) break;
        assert.ok(Date.now() < deadline, "the ended connection is still in the room");
        again.leave("lobby");
      }
      await again.finish();
      await alice.finish();
    });
  }

  it("brings nothing more from a room that was left", async (t) => {
    const server = await start(t);
    const [alice, bob] = await inLobby(t, server, "alice", "bob");
    alice.join("elsewhere");
    alice.leave("lobby");
    await alice.settled("elsewhere");
    await bob.send("lobby", "is alice still here?");
    await alice.settled("elsewhere"); // the judge refuses messages of a room left
    await alice.finish();
    await bob.finish();
  });

  it("answers what is not JSON with exactly that error, and goes on", async (t) => {
    const server = await start(t);
    const [alice] = await inLobby(t, server, "alice");
    for (const text of ["hello", "", "{", '{"type":"join_room"']) {
      alice.raw(text);
      const { before } = await alice.settled("lobby");
      assert.deepEqual(before, [{ type: "error", message: "Invalid JSON" }], text);
    }
    await alice.finish();
  });

  it("ignores frame types and fields it does not know", async (t) => {
    const server = await start(t);
    const [alice] = await inLobby(t, server, "alice");
    alice.raw('{"type":"typing","roomId":"lobby"}');
    alice.raw('{"type":"constructor"}');
    alice.raw('{"color":{"r":1},"type":"leave_room","roomId":"somewhere","because":null}');
    alice.raw('{"type":"join_room","roomId":"lobby","avatar":[1,2]}');
    const { before } = await alice.settled("lobby");
    assert.deepEqual(before, []);
    await alice.finish();
  });

  for (const [what, text] of [
    ["a join without a room", '{"type":"join_room"}'],
    ["a room that is a number", '{"type":"join_room","roomId":7}'],
    ["an empty room name", '{"type":"join_room","roomId":""}'],
    ["a room name of 129 characters", JSON.stringify({ type: "join_room", roomId: "r".repeat(129) })],
    ["a room name beginning with @", '{"type":"join_room","roomId":"@me"}'],
    ["a room name with a control character", '{"type":"join_room","roomId":"a\\u0007b"}'],
    ["a room name with a bidi override", '{"type":"join_room","roomId":"a\\u202eb"}'],
    ["content that is an object", '{"type":"send_message","roomId":"lobby","content":{}}'],
    ["a message without content", '{"type":"send_message","roomId":"lobby"}'],
    ["a message to a room not joined", '{"type":"send_message","roomId":"elsewhere","content":"hello"}'],
  ]) {
    it(`answers ${what} with one error, and goes on`, async (t) => {
      const server = await start(t);
      const [alice] = await inLobby(t, server, "alice");
      alice.raw(text);
      const { before } = await alice.settled("lobby");
      assert.deepEqual(before.map(({ type }) => type), ["error"]);
      await alice.finish();
    });
  }

  it("takes a room name of 128 characters outside the basic plane", async (t) => {
    const server = await start(t);
    const room = "\u{1F70A}".repeat(128);
    const alice = await PlainClient.open(t, server.url, "alice");
    alice.join(room);
    const { before } = await alice.settled(room);
    assert.deepEqual(before, []);
    await alice.finish();
  });

  it("carries every character of a message unchanged", async (t) => {
    const server = await start(t);
    const [alice, bob] = await inLobby(t, server, "alice", "bob");
    const content = ' "quoted" \\ \u0000 \u001b[31m \u2028 \u202e \u00e9 \u{1F600} </script> \t\r\n';
    await alice.send("lobby", content);
    await bob.said("alice", content);
    await alice.finish();
    await bob.finish();
  });

  it("pings a peer that answers again and again", async (t) => {
    const server = await start(t, "--heartbeat", "1s");
    const [alice] = await inLobby(t, server, "alice");
    for (let n = 0; n < 3; n++) await alice.pinged();
    await alice.settled("lobby");
    await alice.finish();
  });

  it("ends a peer that answers no ping", async (t) => {
    const server = await start(t, "--heartbeat", "1s");
    const mute = await PlainClient.open(t, server.url, "mute", { autoPong: false, reconnect: false });
    const { found, skipped } = await mute.closed();
    assert.ok([1006, 4013].includes(found.close), `closed with ${found.close}`);
    assert.ok(skipped.some((entry) => entry.ping));
  });

  it(`brings ${COUNT} messages of each of three clients to all three, complete and in one order`, async (t) => {
    const server = await start(t);
    const users = ["alice", "bob", "carol"];
    const clients = await inLobby(t, server, ...users);
    const all = clients.map((client) => client.frame(countTo(users.length * COUNT), "the last numbered message"));
    await Promise.all(clients.map((client, n) => sendPaced(client, "lobby", numbered(users[n]))));
    await Promise.all(all);
    const [first, ...others] = clients.map((client) => numberedIn(client.frames));
    for (const other of others) assert.deepEqual(other, first);
    for (const user of users) assert.deepEqual(numberedIn(clients[0].frames, user), numbered(user));
    for (const client of clients) await client.finish();
  });

  it("stays plain to the field toward a client that does not offer the extension, whatever else its URL says", async (t) => {
    const server = await start(t);
    const url = new URL(server.url);
    url.searchParams.set("ext", "0");
    url.searchParams.set("EIO", "4");
    const alice = await PlainClient.open(t, url, "alice");
    const [bob] = await inLobby(t, server, "bob");
    alice.join("lobby");
    await bob.joined("alice");
    await alice.send("lobby", "hello");
    await bob.said("alice", "hello");
    alice.raw("{");
    const { before } = await alice.settled("lobby");
    assert.deepEqual(before.at(-1), { type: "error", message: "Invalid JSON" });
    await alice.finish();
    await bob.finish();
  });

  it("drains on SIGTERM: ends plain clients without a close frame and exits with 0", async (t) => {
    const server = await start(t, "--drain", "1s");
    const alice = await PlainClient.open(t, server.url, "alice", { reconnect: false });
    server.kill("SIGTERM");
    assert.equal((await alice.closed()).found.wasClean, false);
    assert.equal(await server.exited(), 0);
  });

  for (const signal of ["SIGTERM", "SIGKILL"]) {
    it(`is found again by a plain client's own rule after ${signal} and a restart`, async (t) => {
      const first = await start(t, "--drain", "1s");
      const [alice] = await inLobby(t, first, "alice");
      first.kill(signal);
      await alice.closed();
      await first.exited();
      const second = await RejoinServer.start(t, "--listen", `127.0.0.1:${first.port}`);
      await alice.opened();
      await alice.settled("lobby");
      await alice.finish();
      second.kill("SIGTERM");
      assert.equal(await second.exited(), 0);
    });
  }

  it("gets every plain client back that it drained one after another", async (t) => {
    const first = await start(t, "--drain", "2s");
    const clients = await inLobby(t, first, "alice", "bob", "carol");
    first.kill("SIGTERM");
    for (const client of clients) await client.closed();
    await first.exited();
    await RejoinServer.start(t, "--listen", `127.0.0.1:${first.port}`);
    for (const client of clients) {
      await client.opened();
      await client.settled("lobby");
      await client.finish();
    }
  });

  it("gets a plain client back that it ended for flooding", async (t) => {
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--rate", "20");
    const alice = await PlainClient.open(t, server.url, "alice");
    // A mistake costs patience as well as a send does, and has no echo that could be missed.
    for (let n = 0; n < 500; n++) alice.raw("{");
    assert.equal((await alice.closed()).found.wasClean, false);
    await alice.opened();
  });

  it("gets a plain client back that found the house full, once there is a place", async (t) => {
    const server = await start(t, "--max-connections", "1");
    const alice = await PlainClient.open(t, server.url, "alice");
    const bob = new PlainClient(t, server.url, { token: "bob" });
    assert.equal((await bob.closed()).found.wasClean, false);
    await alice.finish();
    await bob.opened();
    await bob.finish();
  });

  it("gets a plain client back whose user had too many connections, once one is closed", async (t) => {
    const server = await start(t, "--max-user-connections", "1");
    const [bob] = await inLobby(t, server, "bob");
    const options = { otherConnections: true };
    const phone = await PlainClient.open(t, server.url, "alice", options);
    const laptop = await PlainClient.open(t, server.url, "alice", options);
    assert.equal((await laptop.closed()).found.wasClean, false);
    laptop.join("lobby"); // carried out by its next connection that stays
    await phone.finish();
    await bob.joined("alice");
    await bob.finish();
  });
});
