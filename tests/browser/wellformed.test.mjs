// Half a surrogate pair is no text: what a page is given of it leaves as U+FFFD, and nothing goes round in circles.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { RejoinServer, SocketIoServer } from "../interop/processes.mjs";
import { installed } from "./installed.mjs";

const { connect } = await installed("node.js");
const { connect: connectSocketIo } = await installed("socketio-node.js");
const { follow } = await installed("sse-node.js");
const { FakeServer } = await installed("testing.js");

const half = "look 😀".slice(0, 6);
const whole = "look \ufffd";

test("text, data, rooms, signals and tokens are well-formed on the wire", async (t) => {
  const server = new FakeServer({ tokens: { [`${whole}t`]: "alice" } });
  const { clock } = server;
  const client = await connect(server.url, { ...server.options(), token: `${half}t`, rooms: [half] });
  t.after(() => clock.until(client.close({ timeout: 0 })));
  await clock.until(client.ready());
  const wire = [];
  const receipt = await clock.until(client.send(half, half, { data: { [half]: [half, "\\ud83d", "😀"] } }));
  assert.equal(receipt.status, "acked");
  client.signal(half, half, half);
  await clock.until(client.join(`${half}2`));
  client.setToken(`${half}t`);
  await clock.advance(1000);
  for (const { frame } of server.received) wire.push(JSON.stringify(frame));
  assert.doesNotMatch(wire.join("").replaceAll("\\\\ud83d", ""), /\\ud83d/);
  assert.deepEqual(client.rooms.get(whole), "joined");
  const [{ content, data }] = server.room(whole).log;
  assert.deepEqual([content, data], [whole, { [whole]: [whole, "\\ud83d", "😀"] }]);
  assert.ok(server.received.length < 20, `${server.received.length} frames`);
});

for (const protocol of ["auto", "plain"]) {
  test(`half a pair is sent once and acknowledged by the real server, ${protocol}`, async (t) => {
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
    const client = await connect(server.url, { webSocket: WebSocket, token: "alice", rooms: ["lobby"], protocol });
    t.after(() => client.close());
    await client.ready();
    const heard = client.messages("lobby").next();
    const { framesOut } = client.diagnostics();
    const receipt = await client.send("lobby", half, { timeout: 5000 });
    assert.equal(receipt.status, protocol == "plain" ? "written" : "acked");
    assert.equal((await heard).value.content, whole);
    assert.ok(client.diagnostics().framesOut - framesOut <= 2);
  });
}

test("so it is on a Socket.IO server, and in a room that is read by server-sent events", async (t) => {
  const theirs = await SocketIoServer.start(t, "--port", "0");
  const ours = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  for (const server of [theirs, ours]) {
    const address = `http://127.0.0.1:${server.port}`;
    const client = await connectSocketIo(address, { webSocket: WebSocket, token: `${half}t`, rooms: [half] });
    t.after(() => client.close());
    await client.ready();
    assert.equal((await client.send(half, half, { data: [half] })).status, "answered");
    const heard = client.messages(half).next();
    await client.send(half, half);
    const { room, content } = (await heard).value;
    assert.deepEqual([room, content], [whole, whole]);
    if (server != ours) continue;
    const feed = await follow(address, { room: half, token: `${half}t`, history: 1 });
    assert.equal((await feed.messages().next()).value.content, whole);
    await feed.close();
  }
});
