// Our command line in several namespaces of a real Socket.IO server over one connection.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freePort } from "./ports.mjs";
import { Pipe, Rejoin, RejoinServer, SocketIoServer } from "./processes.mjs";

const NOTIFICATIONS = "/notifications";
const TWO = ["--protocol", "socketio", "--namespace", "/", "--namespace", NOTIFICATIONS];

const isIn = (namespace) => (event) => (event.namespace ?? "/") === namespace;
const inside = (pipe, namespace) => pipe.events.filter(isIn(namespace));
const contents = (pipe, namespace) =>
  inside(pipe, namespace).filter(({ type }) => type === "message").map(({ content }) => content);

/** Alice's pipe in both namespaces, and in the lobby of `/`. */
async function inBoth(t, server, ...args) {
  const alice = new Pipe(t, server.url, "alice", "-r", "lobby", ...TWO, ...args);
  await connected(alice);
  await joined(alice, "/");
  return alice;
}

async function connected(pipe) {
  for (const namespace of ["/", NOTIFICATIONS]) await until(pipe, namespace, ({ mode }) => mode === "socketio");
}

const joined = (pipe, namespace) => until(pipe, namespace, ({ type }) => type === "joined");
const delivery = (pipe, ref, namespace = "/") => until(pipe, namespace, (event) => event.type === "delivery" && event.ref === ref);

/** How far the lines of each namespace have been read. */
const cursors = new WeakMap();

/** The next line of a namespace that `matches`; those of the others are read apart. */
async function until(pipe, namespace, matches) {
  if (!cursors.has(pipe)) cursors.set(pipe, {});
  const read = cursors.get(pipe);
  read[namespace] ??= 0;
  for (;;) {
    const { events } = pipe;
    while (read[namespace] < events.length) {
      const event = events[read[namespace]++];
      if (isIn(namespace)(event) && matches(event)) return { event };
    }
    await pipe.line(() => true, `an event in ${namespace}`);
  }
}

/** In the lobby of the other namespace, too. */
async function joinsThere(pipe) {
  pipe.put({ type: "join_room", roomId: "lobby", namespace: NOTIFICATIONS, ref: "j" });
  const { event } = await joined(pipe, NOTIFICATIONS);
  assert.equal(event.ref, "j");
}

async function ends(pipe, status = 0) {
  pipe.endInput();
  assert.equal(await pipe.exited(), status, pipe.stderr);
}

describe("several namespaces of a Socket.IO server in one pipe", { concurrency: 3 }, () => {
  it("the contract in / and notifications beside it, over one connection with the same token", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await inBoth(t, server, "--frames");
    for (const namespace of ["/", NOTIFICATIONS]) {
      const { found } = await server.line((line) => line.startsWith(`opened alice ${namespace} `), "the connection");
      assert.equal(found, `opened alice ${namespace} EIO,transport no header`);
    }
    await server.command(`tell ${NOTIFICATIONS} alice order [7]`);
    const { event: order } = await until(alice, NOTIFICATIONS, ({ type }) => type === "frame");
    assert.deepEqual(order, { type: "frame", namespace: NOTIFICATIONS, name: "order", args: [[7]] });
    await server.command(`tell ${NOTIFICATIONS} alice notification {"kind":"badge","data":1}`);
    const { event: badge } = await until(alice, NOTIFICATIONS, ({ type }) => type === "notification");
    assert.deepEqual(badge, { type: "notification", kind: "badge", data: 1, namespace: NOTIFICATIONS });
    alice.send("lobby", "in main", "m");
    alice.put({ type: "frame", namespace: NOTIFICATIONS, name: "echo", args: [1, "x"], ack: true, ref: "e" });
    assert.equal((await delivery(alice, "m")).event.namespace, undefined);
    const { event: echoed } = await delivery(alice, "e", NOTIFICATIONS);
    assert.deepEqual(
      [echoed.namespace, echoed.status, echoed.answer],
      [NOTIFICATIONS, "acked", [1, "x"]],
    );
    await joinsThere(alice);
    alice.put({ type: "send_message", roomId: "lobby", content: "in the other", namespace: NOTIFICATIONS, ref: "o" });
    await until(alice, NOTIFICATIONS, ({ content }) => content === "in the other");
    await delivery(alice, "o", NOTIFICATIONS);
    alice.put({ type: "frame", namespace: "/none", name: "echo", ref: "n" });
    const { event: bad } = await until(alice, "/", ({ type }) => type === "error");
    assert.deepEqual([bad.code, bad.ref], ["bad_namespace", "n"]);
    await ends(alice, 1);
    assert.deepEqual([contents(alice, "/"), contents(alice, NOTIFICATIONS)], [["in main"], ["in the other"]]);
    assert.deepEqual(inside(alice, NOTIFICATIONS).at(-1).state, "closed");
    for (let count = 0; count < 2; count += 1) {
      await server.line((line) => line === "lost alice client namespace disconnect", "a goodbye");
    }
  });

  it("fields of the auth object beside the token are told to each, over a loss too", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const fields = { device: { kind: "kitchen" }, username: "Älice" };
    const alice = await inBoth(t, server, "--auth", JSON.stringify(fields));
    const told = (namespace) => {
      const line = `auth alice ${namespace} ${JSON.stringify(fields)}`;
      return server.line((found) => found === line, line);
    };
    await told("/");
    await told(NOTIFICATIONS);
    await server.command("say lobby hello");
    await until(alice, "/", ({ type }) => type === "message");
    await server.command("drop alice");
    await until(alice, "/", ({ type, recovered }) => type === "joined" && recovered);
    await told("/");
    await told(NOTIFICATIONS);
    const bad = new Rejoin(t, "send", server.url, "hi", "-r", "lobby", "--protocol", "socketio", "--auth", "s3cret");
    assert.equal(await bad.exited(), 2);
    assert.ok(bad.stderr.includes("--auth is no JSON object") && !bad.stderr.includes("s3cret"), bad.stderr);
    await ends(alice);
  });

  it("a namespace that a middleware refuses has failed with its words and data, and / works", async (t) => {
    const server = await SocketIoServer.start(t, "--refuse", NOTIFICATIONS);
    const alice = new Pipe(t, server.url, "alice", "-r", "lobby", ...TWO);
    const { event } = await until(alice, NOTIFICATIONS, ({ state }) => state === "failed");
    assert.deepEqual(event, {
      type: "state", state: "failed", code: 4001, reason: "unauthorized", message: "not in here",
      data: { code: "E_HERE" }, namespace: NOTIFICATIONS,
    });
    alice.send("lobby", "still here", "1");
    assert.equal((await delivery(alice, "1")).event.status, "acked");
    alice.put({ type: "send_message", roomId: "lobby", content: "x", namespace: NOTIFICATIONS, ref: "2" });
    assert.equal((await delivery(alice, "2", NOTIFICATIONS)).event.code, "closed");
    await ends(alice, 3);
  });

  it("the first namespace that is refused is named, and the others are said to end with it", async (t) => {
    const server = await SocketIoServer.start(t, "--refuse", NOTIFICATIONS);
    for (const [first, words] of [[NOTIFICATIONS, "not in here"], ["/gone", "no such namespace"]]) {
      const tail = new Rejoin(t, "tail", server.url, "--token", "alice", "-r", "/chat,lobby", "--protocol", "socketio", "--namespace", first, "--namespace", "/chat");
      assert.equal(await tail.exited(), 3, tail.stderr);
      assert.match(tail.stderr, new RegExp(`^rejoin: ${first}: .*${words}`, "m"));
      assert.doesNotMatch(tail.lines.entries.join("\n"), new RegExp(`/chat.*${words}`));
    }
  });

  it("a room of the first namespace may be named with it, and a line that names one so is told how", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = new Pipe(t, server.url, "alice", "-r", "/chat,lobby", "--protocol", "socketio", "--namespace", "/chat");
    await alice.connected("socketio");
    assert.equal((await alice.event(({ type }) => type === "joined", "joined")).event.roomId, "lobby");
    alice.send("lobby", "here", "1");
    assert.equal((await alice.delivery("1")).event.status, "acked");
    alice.endInput();
    assert.equal(await alice.exited(), 0, alice.stderr);
    const send = new Rejoin(t, "send", server.url, "--token", "bob", "-r", "/chat,lobby", "--protocol", "socketio", "--namespace", "/chat", "hi");
    assert.equal(await send.exited(), 0, send.stderr);
    await server.line((line) => line.includes("bob"), "bob was there");
  });

  it("a namespace that the server disconnects has failed, and / works; one that is left is left alone", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await inBoth(t, server);
    await server.command(`leave ${NOTIFICATIONS} alice`);
    const { event } = await until(alice, NOTIFICATIONS, ({ state }) => state === "failed");
    assert.equal(event.reason, "server_closed");
    alice.send("lobby", "still here", "1");
    assert.equal((await delivery(alice, "1")).event.status, "acked");
    await ends(alice, 3);
    const bob = new Pipe(t, server.url, "bob", "-r", "lobby", ...TWO);
    await connected(bob);
    bob.put({ type: "close", namespace: NOTIFICATIONS });
    await until(bob, NOTIFICATIONS, ({ state }) => state === "closed");
    await server.line((line) => line === "lost bob client namespace disconnect", "the goodbye");
    bob.send("lobby", "still here", "1");
    assert.equal((await delivery(bob, "1")).event.status, "acked");
    await ends(bob);
  });

  it("a lost connection is recovered in each namespace: what was missed comes once and in order", async (t) => {
    const server = await SocketIoServer.start(t, "--recovery");
    const alice = await inBoth(t, server);
    await joinsThere(alice);
    const last = ({ content }) => content === "n0";
    alice.send("lobby", "n0", "1");
    alice.put({ type: "send_message", roomId: "lobby", content: "n0", namespace: NOTIFICATIONS, ref: "2" });
    for (const namespace of ["/", NOTIFICATIONS]) await until(alice, namespace, last);
    let said = 1;
    for (let time = 0; time < 3; time += 1) {
      const words = Array.from({ length: 5 }, (_, n) => `n${said + n}`);
      said += words.length;
      await server.command(`gone alice ${words.join(" ")}`);
      for (const namespace of ["/", NOTIFICATIONS]) {
        const { event } = await until(alice, namespace, ({ type, recovered }) => type === "joined" && recovered);
        assert.equal(event.replayed, words.length);
        await until(alice, namespace, ({ content }) => content === words.at(-1));
      }
    }
    await ends(alice);
    const all = Array.from({ length: said }, (_, n) => `n${n}`);
    assert.deepEqual([contents(alice, "/"), contents(alice, NOTIFICATIONS)], [all, all]);
    assert.ok(!alice.events.some(({ type }) => type === "gap"));
  });

  it("a server that is killed and started again has both back, each with its own gap and outcomes", async (t) => {
    const port = await freePort();
    const server = await SocketIoServer.start(t, "--port", String(port));
    const alice = await inBoth(t, server);
    await joinsThere(alice);
    server.kill("SIGKILL");
    for (const namespace of ["/", NOTIFICATIONS]) {
      await until(alice, namespace, ({ state }) => state === "reconnecting");
    }
    alice.send("lobby", "meanwhile", "1");
    alice.put({ type: "send_message", roomId: "lobby", content: "meanwhile", namespace: NOTIFICATIONS, ref: "2" });
    await SocketIoServer.start(t, "--port", String(port));
    for (const [namespace, ref] of [["/", "1"], [NOTIFICATIONS, "2"]]) {
      await until(alice, namespace, ({ type }) => type === "gap");
      await until(alice, namespace, ({ content }) => content === "meanwhile");
      assert.equal((await delivery(alice, ref, namespace)).event.status, "acked");
    }
    await ends(alice);
    for (const namespace of ["/", NOTIFICATIONS]) {
      const gaps = inside(alice, namespace).filter(({ type }) => type === "gap");
      assert.deepEqual([gaps.length, contents(alice, namespace)], [1, ["meanwhile"]]);
    }
  });

  it("bytes come in either namespace as they were sent, one after the other", async (t) => {
    const server = await SocketIoServer.start(t);
    const alice = await inBoth(t, server, "--frames");
    const hexes = ["010203", "", "ff".repeat(300)];
    await server.command(`pictures alice ${hexes.filter(Boolean).join(" ")}`);
    await server.command(`tell ${NOTIFICATIONS} alice done 1`);
    await until(alice, NOTIFICATIONS, ({ name }) => name === "done");
    for (const namespace of ["/", NOTIFICATIONS]) {
      const frames = alice.events.filter((event) => event.name === "picture" && event.namespace === namespace);
      const expected = hexes.filter(Boolean).map((hex) => {
        const bytes = { base64: Buffer.from(hex, "hex").toString("base64") };
        return [{ of: bytes }, bytes];
      });
      assert.deepEqual(frames.map(({ args }) => args), expected);
    }
    await ends(alice);
  });

  it("on our own server the personal stream comes in its namespace alone", async (t) => {
    const server = await RejoinServer.withAdmin(t, "--namespace", `${NOTIFICATIONS}=personal`);
    const alice = await inBoth(t, { url: `http://127.0.0.1:${server.port}/` });
    await server.notify("alice", 7);
    const { event } = await until(alice, NOTIFICATIONS, ({ type }) => type === "notification");
    assert.deepEqual([event.kind, event.data], ["order", { number: 7 }]);
    alice.send("lobby", "hi", "1");
    await delivery(alice, "1");
    await ends(alice);
    assert.ok(!inside(alice, "/").some(({ type }) => type === "notification"));
  });
});
