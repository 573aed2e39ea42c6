// rejoin/socketio: the same rooms on Socket.IO servers, in a real browser, in a worker and in Node: on the real server's own
// endpoint, and on a server that others wrote.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { WebSocketServer } from "ws";
import { RejoinServer, SocketIoServer } from "../interop/processes.mjs";
import { SocketIoClient } from "../interop/socketio-client.mjs";
import { compiles, html, worksBuilt } from "./builds.mjs";
import { browser, Tab } from "./page.mjs";
import { project } from "./package.mjs";
import { Proxy, site } from "./site.mjs";

const run = promisify(execFile);
const events = ["state", "ready", "room", "joined", "message", "user_joined", "notification", "gap", "error"];

const script = `
import { connect, RejoinError, SendError } from "./node_modules/rejoin/dist/socketio.js";
Object.assign(window, { connect, RejoinError, SendError, clients: [] });
window.start = async (name, url, options) => {
  const client = await connect(url, options);
  window.clients[name] = client;
  for (const event of ${JSON.stringify(events)}) {
    client.on(event, (what) => window.tell?.({ client: name, event, what }));
  }
  window.tell?.({ client: name, event: "state", what: client.status });
};
document.title = "loaded";
`;
const strict = {
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://127.0.0.1:*",
};
const http = (server) => `http://127.0.0.1:${server.port}`;
const told = ({ event }) => ["message", "gap", "joined", "error"].includes(event);

/** A tab whose page has the chunk. */
async function page(t, options) {
  const root = project(t, { "index.html": html('<script type="module" src="page.js"></script>'), "page.js": script });
  return Tab.open(t, await browser(t), await site(t, root, strict), options);
}

/** The two servers, by name; each with what it is told at its start for a port to listen on. */
const servers = {
  ours: (t, port = 0) => RejoinServer.start(t, "--listen", `127.0.0.1:${port}`, "--allow-origin", "*"),
  theirs: (t, port = 0) => SocketIoServer.start(t, "--port", `${port}`),
};

for (const [whose, serve] of Object.entries(servers)) {
  test(`on ${whose}: two pages talk in a room, and each send is answered`, async (t) => {
    const server = await serve(t);
    const tab = await page(t);
    await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
    await tab.heard("a", "ready");
    await tab.start("b", http(server), { token: "bob" });
    const outcome = await tab.ask("b", "join", "lobby");
    const { what: joined } = await tab.heard("b", "joined");
    assert.deepEqual(outcome, joined);
    assert.equal(joined.answer.ok, true, "what the handler answered, as it is");
    assert.deepEqual([joined.room, joined.recovered, joined.reason], ["lobby", false, "fresh"]);
    const receipt = await tab.ask("b", "send", "lobby", "hello ada");
    assert.equal(receipt.status, "answered");
    assert.equal(receipt.seq, 1);
    assert.match(receipt.id, /^[\w-]+$/);
    const { what } = await tab.said("a", "hello ada");
    const { what: came } = tab.events.entries.find(({ client, event, what }) => client == "a" && event == "user_joined" && what.user == "bob");
    assert.deepEqual(came, { room: "lobby", user: "bob" });
    assert.deepEqual([what.room, what.user, Object.keys(what).sort().join()], ["lobby", "bob", "content,room,timestamp,user"]);
    await tab.ask("b", "leave", "lobby");
    await tab.heard("b", "room", ({ state }) => state == "left");
    await tab.ask("b", "close");
    await tab.state("b", "closed");
    assert.deepEqual(await tab.ask("b", "send", "lobby", "too late"), {
      error: "SendError",
      code: "closed",
      outcome: "failed",
      hint: "reconnect, or connect again if it is closed",
      message: "not sent: closed",
    });
    assert.deepEqual(tab.errors, []);
  });

  test(`on ${whose}: a server that was killed is waited for, and what is lost is told before what comes`, async (t) => {
    const server = await serve(t);
    const tab = await page(t);
    await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
    await tab.heard("a", "ready");
    server.kill("SIGKILL");
    const { what } = await tab.state("a", "reconnecting");
    assert.deepEqual([what.cause.code, what.cause.willRetry], ["connection_lost", true]);
    const waiting = tab.ask("a", "send", "lobby", "written in a tunnel");
    await serve(t, server.port);
    assert.equal((await waiting).status, "answered");
    const { skipped } = await tab.said("a", "written in a tunnel");
    const [gap] = skipped.filter(({ event }) => event == "gap");
    assert.deepEqual(gap.what, { room: "lobby", reason: "reconnected" });
  });
}

test("the token goes into the auth object alone, in its namespace, also one that stood in the address", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await page(t);
  await tab.start("a", `${http(server)}/?token=s3cret&room=x`, { namespace: "/chat", rooms: ["lobby"] });
  assert.equal(await server.opened("s3cret"), "opened s3cret /chat EIO,room,transport no header");
  await tab.heard("a", "ready");
  assert.equal((await tab.ask("a", "send", "lobby", "hi")).status, "answered");
  await tab.start("b", http(server), { auth: { token: "bob", device: 7 } });
  assert.equal(await server.opened("bob"), "opened bob / EIO,transport no header");
  await tab.start("c", http(server), { token: "carol", namespace: "/nowhere" });
  const { what } = await tab.state("c", "failed");
  assert.deepEqual([what.cause.code, what.cause.text], ["unknown_namespace", "the server has no such namespace"]);
  await tab.ask("a", "close");
  await server.line((line) => line == "lost s3cret client namespace disconnect", "a goodbye");
});

test("a refused token is terminal, a source is asked once more, and a new token leads out", async (t) => {
  const server = await SocketIoServer.start(t, "--tokens", "good");
  const tab = await page(t);
  await tab.start("a", http(server), { token: "bad" });
  const { what } = await tab.state("a", "failed");
  assert.deepEqual([what.cause.code, what.cause.text, what.cause.willRetry], ["unauthorized", "this token is not on the list", false]);
  const { code, message } = await tab.ask("a", "ready");
  assert.deepEqual([code, message], ["unauthorized", "failed: this token is not on the list"]);
  await tab.ask("a", "setToken", "good");
  await tab.state("a", "connected");
  for (const source of ["token", "auth"]) {
    const asked = await tab.page.evaluate(
      async ([url, source]) => {
        const asked = [];
        const text = () => (asked.length == 1 ? "old" : "good");
        const give = ({ rejected }) => (asked.push(rejected), source == "token" ? text() : { token: text() });
        const client = await window.connect(url, { [source]: give });
        await client.ready();
        return asked;
      },
      [http(server), source],
    );
    assert.deepEqual(asked, [false, true], source);
  }
});

test("a room that lets nobody in for now is told once, with the server's words, and joined when there is room", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", "--max-members", "1");
  const tab = await page(t);
  await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  await tab.start("b", http(server), { token: "bob", rooms: ["lobby"] });
  const { what } = await tab.heard("b", "room", ({ code }) => code != undefined);
  assert.deepEqual(what, { room: "lobby", state: "joining", code: "room_full", message: "the room is full", willRetry: true });
  await tab.ask("a", "leave", "lobby");
  const { skipped } = await tab.heard("b", "room", ({ state }) => state == "joined");
  assert.deepEqual(skipped.filter(({ event, client }) => client == "b" && event == "error"), []);
});

test("a handler that never calls its ack leaves a send unknown; without acks it is written", async (t) => {
  const server = await SocketIoServer.start(t, "--no-acks");
  const tab = await page(t);
  await tab.start("a", http(server), { token: "ada", rooms: ["lobby"], ackTimeout: 300 });
  await tab.heard("a", "ready");
  const { error, outcome, hint } = await tab.ask("a", "send", "lobby", "anybody?");
  assert.deepEqual([error, outcome], ["SendError", "unknown"]);
  assert.match(hint, /no answer/);
  await tab.said("a", "anybody?");
  await tab.start("b", http(server), { token: "bob", rooms: ["lobby"], acks: false });
  assert.deepEqual(await tab.ask("b", "send", "lobby", "hello"), { status: "written" });
  await tab.said("a", "hello");
});

test("an ack that refuses says why, and a send that waits can be taken back", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await page(t);
  await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  const { outcome, code, message } = await tab.ask("a", "send", "lobby", "a forbidden word");
  assert.deepEqual([outcome, code, message], ["failed", "forbidden", "not sent: mind your language"]);
  assert.deepEqual(tab.events.entries.filter(({ event }) => event == "error"), []);
  const codes = await tab.page.evaluate(async (url) => {
    const client = await window.connect(url, { token: "bob" });
    const abort = new AbortController();
    const sends = [client.send("lobby", "x", { signal: abort.signal }), client.send("lobby", "y", { timeout: 50 })];
    abort.abort();
    return Promise.all(sends.map((send) => send.catch(({ code }) => code)));
  }, "http://127.0.0.1:1");
  assert.deepEqual(codes, ["cancelled", "timeout"]);
});

/** A server that acks each message with the JSON in it: `send` says what is told to the application. */
async function acking(t, tab, options) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", (socket) => {
    socket.send('0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}');
    socket.on("message", (data) => {
      const [, kind, ack, json] = /^(\d\d)(\d*)(.*)$/s.exec(String(data)) ?? [];
      if (kind == "40") return socket.send('40{"sid":"s"}');
      if (kind != "42") return;
      const [name, fields] = JSON.parse(json);
      socket.send(`43${ack}${name == "send_message" ? fields.content : "[]"}`);
    });
  });
  if (!server.address()) await once(server, "listening");
  const name = `acking ${JSON.stringify(options)}`;
  await tab.start(name, `http://127.0.0.1:${server.address().port}`, { token: "ada", rooms: ["r"], ...options });
  await tab.heard(name, "ready");
  return (args) => tab.ask(name, "send", "r", args);
}

test("every ack of the shared vectors is read as they say, and its answer is told", async (t) => {
  const tab = await page(t);
  const vectors = JSON.parse(readFileSync(new URL("../../client-core/src/socketio/json/acks.json", import.meta.url)));
  const send = { ok: await acking(t, tab, {}), error: await acking(t, tab, { ackText: "error" }) };
  for (const { args, text = "ok", id, seq, refused, words, answer } of vectors) {
    const told = await send[text](args);
    const given = JSON.parse(args);
    assert.equal(told.error == undefined, refused == undefined, args);
    if (refused) {
      assert.deepEqual([told.outcome, told.code], ["failed", refused], args);
      const silent = refused == "other" ? `the server answered ${JSON.stringify(told.answer)}` : refused;
      assert.equal(told.message, `not sent: ${words ?? silent}`, args);
    } else {
      assert.deepEqual([told.status, told.id, told.seq], ["answered", id, seq], args);
    }
    const isExact = !/\d{16}/.test(args);
    if (isExact) assert.deepEqual(told.answer, given.length > 1 ? given : given[0], args);
    if (answer !== undefined) assert.deepEqual(told.answer, answer, args);
  }
  const large = await send.ok(JSON.stringify(["x".repeat(20_000)]));
  assert.deepEqual([large.answer.length, large.answer.at(-1)], [1_001, "…"]);
});

test("ids and times may be numbers, a notification is kept whole, and a refusal's data is told", async (t) => {
  const tab = await page(t);
  const frames = [
    '42["message",{"roomId":"r","userId":9007199254740993,"content":"one","timestamp":1795852800123}]',
    '42["message",{"roomId":"r","userId":-7,"content":"two","timestamp":1795852800.5}]',
    '42["message",{"roomId":"r","userId":"u","content":"three"}]',
    '42["notification",{"kind":"k","title":"t","body":"b"}]',
    '42["notification",{"kind":"k","data":1}]',
    '42["order",1,"two"]',
    '42["order"]',
  ];
  await tab.start("a", await saying(t, ...frames, said("end")), { token: "ada", events: { notification: "order" } });
  const { skipped } = await tab.said("a", "end");
  const messages = skipped.filter(({ event }) => event == "message").map(({ what }) => [what.user, what.timestamp]);
  assert.deepEqual(messages, [
    ["9007199254740993", "2026-11-28T08:00:00.123Z"],
    ["-7", "2026-11-28T08:00:00.500Z"],
    ["u", undefined],
  ]);
  assert.deepEqual(skipped.filter(({ event }) => event == "notification").map(({ what }) => what), [
    { kind: "k", data: { kind: "k", title: "t", body: "b" } },
    { kind: "k", data: 1 },
    { kind: "order", data: [1, "two"] },
    { kind: "order" },
  ]);
  const server = await SocketIoServer.start(t, "--tokens", "good");
  await tab.start("b", http(server), { token: "bad" });
  assert.deepEqual((await tab.state("b", "failed")).what.cause.data, { code: "E_TOKEN" });
});

test("notifications have a gap after a reconnect, and a recovery is told of them too", async (t) => {
  for (const recovers of [true, false]) {
    const server = await SocketIoServer.start(t, ...(recovers ? ["--recovery"] : []));
    const tab = await page(t);
    await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
    await tab.heard("a", "ready");
    await server.command('emit ada notification {"n":1}');
    await tab.heard("a", "notification");
    await server.command("drop ada");
    const { what } = await tab.heard("a", recovers ? "joined" : "gap", ({ room }) => room == "@me");
    assert.deepEqual([what.recovered, what.reason], recovers ? [true, undefined] : [undefined, "reconnected"]);
  }
});

test("a server that recovers sessions loses nothing: joined says so, and there is no gap", async (t) => {
  const server = await SocketIoServer.start(t, "--recovery");
  const tab = await page(t);
  await tab.start("a", http(server), { token: "ada", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  await server.command("say lobby before");
  await tab.said("a", "before");
  await server.command("miss ada lobby one two");
  await tab.state("a", "reconnecting");
  const { skipped } = await tab.said("a", "two");
  const seen = skipped.filter(told).map(({ event, what }) => [event, what.recovered ?? what.content, what.replayed]);
  assert.deepEqual(seen, [["joined", true, 2], ["message", "one", undefined]]);
  await server.command("volatile lobby busy");
  await tab.said("a", "volatile busy");
  // Somebody who joined meanwhile is told of too, though the packet came before the server's consent.
  const proxy = await Proxy.start(t, server.port);
  await tab.start("b", proxy.url.replace("ws:", "http:").replace("/ws", ""), { token: "bob", rooms: ["lobby"] });
  await tab.heard("b", "ready");
  await server.command("say lobby both");
  await tab.said("b", "both");
  proxy.refuse();
  await server.line((line) => line.startsWith("lost bob"), "the loss of bob");
  await tab.state("b", "reconnecting");
  await (await SocketIoClient.open(t, server, "carol", { transports: ["websocket"] })).join("lobby");
  proxy.allow();
  assert.deepEqual((await tab.heard("b", "user_joined", ({ user }) => user == "carol")).what, { room: "lobby", user: "carol" });
  assert.deepEqual(tab.errors, []);
});

test("notifications, other names for events, and bytes as base64", async (t) => {
  const server = await SocketIoServer.start(t, "--names", "message=said,send_message=say");
  const tab = await page(t);
  const names = { message: "said", send_message: "say", notification: ["badge", "order"] };
  await tab.start("a", http(server), { token: "ada", rooms: ["lobby"], events: names });
  await tab.heard("a", "ready");
  assert.equal((await tab.ask("a", "send", "lobby", "renamed")).status, "answered");
  await tab.said("a", "renamed");
  await server.command('notify ada hello {"a":1}');
  assert.deepEqual((await tab.heard("a", "notification")).what, { kind: "hello", data: { a: 1 } });
  await server.command("emit ada badge 3");
  assert.deepEqual((await tab.heard("a", "notification")).what, { kind: "badge", data: 3 });
  await server.command("emit ada typing {}");
  await server.command("binary lobby 00ff10");
  await tab.said("a", "AP8Q");
  await server.command("ask ada");
  await server.command("kick ada");
  const { what } = await tab.state("a", "failed");
  assert.deepEqual([what.cause.code, what.cause.text], ["server_closed", "the server disconnected this client"]);
});

/** A server that lets each client in and then says these frames, and nothing more. */
async function saying(t, ...frames) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on("connection", (socket) => {
    socket.send('0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}');
    socket.once("message", () => {
      socket.send('40{"sid":"s"}');
      for (const frame of frames) socket.send(frame);
    });
  });
  if (!server.address()) await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

const said = (content) => `42["message",{"roomId":"r","userId":"u","content":${JSON.stringify(content)},"timestamp":"t"}]`;

test("what is no packet is told at the first and the tenth, and left out, what is another's is nothing, and what follows is understood", async (t) => {
  const tab = await page(t);
  const garbage = [
    "", "x", "4", "49", "42", "42{}", "42[", "45[]", "43x", "439007199254740993[]", '42["message",null]',
    '42["message",{"roomId":"r","userId":"u","content":5,"timestamp":"t"}]', '42["error",{"message":"\\ud800"}]',
  ];
  const nothing = ["6", "3", '42/other,["message"]', '42["typing",{}]', "42[]", "4399[]", "43[]", '432["no such ack"]', "41/other"];
  await tab.start("a", await saying(t, ...garbage, ...nothing, said("after all of it")), { token: "ada" });
  const { skipped } = await tab.said("a", "after all of it");
  const errors = skipped.filter(({ event }) => event == "error");
  // The last one is the server's own words, with a character in the place of half of one.
  assert.deepEqual(errors.map(({ what }) => what.code ?? what.message), ["garbled", "garbled", "\ufffd"]);
  assert.equal((await tab.ask("a", "diagnostics")).garbledFrames, garbage.length - 1);
  assert.deepEqual(skipped.filter(({ event }) => event == "message"), []);
  assert.deepEqual(tab.errors, []);
});

test("a connection whose attachments are out of step is given up", async (t) => {
  const tab = await page(t);
  const hole = '["message",{"roomId":"r","userId":"u","content":{"_placeholder":true,"num":0},"timestamp":"t"}]';
  const outOfStep = {
    "an attachment of nobody": [Buffer.from("x")],
    "a text in its place": [`451-${hole}`, said("instead")],
    "too many": [`4511-${hole}`],
    "a hole without one": [`451-${hole.replace('"num":0', '"num":"length"')}`, Buffer.from("x")],
  };
  for (const [name, frames] of Object.entries(outOfStep)) {
    await tab.start(name, await saying(t, ...frames), { token: "ada" });
    const { what } = await tab.state(name, "reconnecting");
    assert.equal(what.cause.code, "protocol_error", name);
    await tab.ask(name, "close");
  }
});

test("bad arguments reject with a code", async (t) => {
  const tab = await page(t);
  const codes = await tab.page.evaluate(async () => {
    const code = (...args) => window.connect(...args).then(() => "none", (error) => [error instanceof window.RejoinError, error.code]);
    return [
      await code("ftp://h/"),
      await code("http://["),
      await code("http://u:p@h/"),
      await code([]),
      await code("http://h/", { namespace: "chat" }),
      await code("http://h/", { token: 7 }),
      await code("http://h/", { auth: "x" }),
      await code("http://h/", { token: "x", auth: {} }),
      await code("http://h/", { auth: { n: 1n } }),
      await code("http://h/", { rooms: "lobby" }),
      await code("http://h/", { events: { says: "x" } }),
      await code("http://h/", { events: { message: "connect" } }),
      await code("http://h/", { events: { message: "x", error: "x" } }),
      await code("http://h/", { webSocket: 7 }),
    ];
  });
  const expected = [
    ...Array(4).fill("bad_url"), ...Array(4).fill("bad_option"), "bad_argument", ...Array(5).fill("bad_option"),
  ];
  assert.deepEqual(codes.map(([typed, code]) => typed && code), expected);
});

const use = (server, done, more = "{}") => `
const client = await connect(${JSON.stringify(http(server))}, { token: "alice", rooms: ["lobby"], ...${more} });
const heard = new Promise((resolve) => client.on("message", (message) => resolve(message.content)));
await client.ready();
const { status } = await client.send("lobby", "hello");
const content = (await heard) + " " + status;
await client.close();
${done}`;

for (const transports of ["auto", "polling"]) {
  test(`a worker, Vite's build and one without the file talk too, with the transports ${transports}`, async (t) => {
    const server = await servers.ours(t);
    await worksBuilt(t, "connect", "socketio", (done) => use(server, done, JSON.stringify({ transports })), "hello answered");
  });
}

test("both module systems of Node talk on both servers, with its own WebSocket and the package's", async (t) => {
  const done = "console.log(content);";
  for (const serve of Object.values(servers)) {
    const server = await serve(t);
    const root = project(
      t,
      {
        "own.mjs": `import { connect } from "rejoin/socketio";${use(server, done)}`,
        "old.cjs": `const { connect } = require("rejoin/socketio"); const { WebSocket } = require("ws");
          (async () => {${use(server, done, "{ webSocket: WebSocket }")}})();`,
      },
      ["ws"],
    );
    for (const args of [["--experimental-websocket", "own.mjs"], ["old.cjs"]]) {
      const { stdout } = await run(process.execPath, args, { cwd: root });
      assert.equal(stdout, "hello answered\n", args.join(" "));
    }
  }
});

test("its types are those of a strict project, in both module systems", async (t) => {
  await compiles(t, {
    "page.mts": `import { connect, SendError, type Client, type Events, type Options, type Receipt } from "rejoin/socketio";
const options: Options = { namespace: "/chat", token: async ({ rejected }) => (rejected ? "a" : "b"), rooms: ["r"], acks: true, ackText: "error", ackTimeout: 5000, transports: "polling", extraHeaders: { "x-tenant": "blue" }, withCredentials: true, events: { message: "said", notification: ["x", "y"] } };
const client: Client = await connect("https://h", options);
const off: () => void = client.on("message", ({ room, user, content, timestamp }) => void [room + user + content, timestamp?.length]);
client.on("gap", ({ reason }) => reason === "reconnected");
client.on("notification", ({ kind, data }) => void [kind.length, data]);
client.on("state", ({ cause }: Events["state"]) => void [cause?.code === "unknown_namespace", cause?.data]);
// @ts-expect-error: there is no such event
client.on("presence", () => {});
// @ts-expect-error: content is a text
client.send("r", 5);
// @ts-expect-error: there is no such option
await connect("https://h", { persist: "indexeddb" });
// @ts-expect-error: there is no such transport
await connect("https://h", { transports: "webtransport" });
// @ts-expect-error: no event is called so
await connect("https://h", { events: { says: "x" } });
// @ts-expect-error: such a server has no positions
client.join("r", { since: { epoch: "e", seq: 1, id: "i" } });
try {
  const receipt: Receipt = await client.send("r", "x", { timeout: 5, signal: AbortSignal.timeout(5), data: { a: 1 } });
  if (receipt.status === "answered") void [receipt.seq?.toFixed(), receipt.answer];
  // @ts-expect-error: written is all that is known
  if (receipt.status === "written") receipt.seq;
} catch (error) {
  if (error instanceof SendError) { const outcome: "failed" | "unknown" = error.outcome; void [outcome.length, error.answer]; }
}
client.setToken({ apiKey: "k" });
await using other = await connect(["https://a", "wss://b"], { auth: () => ({ apiKey: "k" }) });
off();`,
    "common.cts": `import socketio = require("rejoin/socketio"); socketio.connect("https://h", { auth: { a: 1 } }).then((client) => client.state === "idle");`,
  });
});
