// The scene most tests begin with.

import assert from "node:assert/strict";
import { once } from "node:events";
import { WebSocket } from "ws";
import { Journal } from "./journal.mjs";
import { PlainClient } from "./plain-client.mjs";
import { Pipe } from "./processes.mjs";

/** Alice's pipe and bob, a plain client, both in the lobby and each in the know. */
export async function aliceAndBob(t, server) {
  const bob = await plainInLobby(t, server, "bob");
  const alice = new Pipe(t, server.url, "alice", "-r", "lobby");
  await alice.connected(server.mode);
  await bob.joined("alice");
  return { alice, bob };
}

export async function plainInLobby(t, server, user) {
  const client = await PlainClient.open(t, server.url, user);
  client.join("lobby");
  await client.settled("lobby");
  return client;
}

/** A client of the extended protocol, in the lobby. */
export async function extendedInLobby(t, server, user) {
  const socket = new WebSocket(`${server.url}?ext=1&token=${user}`);
  t.after(() => socket.terminate());
  const journal = new Journal(`extended client ${user}`);
  socket.on("message", (data) => journal.add(JSON.parse(data)));
  await once(socket, "open");
  const say = (frame) => socket.send(JSON.stringify(frame));
  const frame = async (type, matches = () => true) => {
    const found = await journal.until((entry) => entry.type === type && matches(entry), `${type} for ${user}`);
    return found.found;
  };
  say({ type: "join_room", roomId: "lobby", ref: "j" });
  await frame("joined");
  return { say, frame, socket };
}

/** Ends the pipe's input: everything it sent was written, so it exits with 0. */
export async function endsWell(pipe) {
  pipe.endInput();
  assert.equal(await pipe.exited(), 0, pipe.stderr);
  assert.deepEqual(pipe.events.filter(({ type }) => type === "error"), []);
}
