// The scene most tests begin with.

import assert from "node:assert/strict";
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

/** Ends the pipe's input: everything it sent was written, so it exits with 0. */
export async function endsWell(pipe) {
  pipe.endInput();
  assert.equal(await pipe.exited(), 0, pipe.stderr);
  assert.deepEqual(pipe.events.filter(({ type }) => type === "error"), []);
}
