// rejoin/sse: a room read by server-sent events, in a real browser, in a worker and in Node, from the real server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { Pipe, RejoinServer } from "../interop/processes.mjs";
import { compiles, html, worksBuilt } from "./builds.mjs";
import { browser, Tab } from "./page.mjs";
import { project } from "./package.mjs";
import { listening, Proxy, site } from "./site.mjs";

const run = promisify(execFile);
const http = (server) => `http://127.0.0.1:${server.port}`;

const script = `
import { follow, RejoinError } from "./node_modules/rejoin/dist/sse.js";
Object.assign(window, { follow, RejoinError, clients: [] });
window.start = async (name, url, { room = "lobby", ...options } = {}) => {
  const feed = await follow(url, { room, ...options });
  window.clients[name] = feed;
  for (const event of ["state", "began", "message", "event", "gap", "error"]) {
    feed.on(event, (what) => {
      localStorage.last = feed.lastEventId;
      window.tell?.({ client: name, event, what });
    });
  }
  window.tell?.({ client: name, event: "state", what: feed.status });
};
document.title = "loaded";
`;
const strict = {
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' http://127.0.0.1:*",
};

/** A server, somebody who talks in its lobby, and pages that read it. */
async function rig(t, { args = [], listen = "127.0.0.1:0", clock = false } = {}) {
  const start = (listen) => RejoinServer.start(t, "--listen", listen, "--allow-origin", "*", ...args);
  const server = await start(listen);
  const root = project(t, { "index.html": html('<script type="module" src="page.js"></script>'), "page.js": script });
  const address = await site(t, root, strict);
  const chromium = await browser(t);
  const open = () => Tab.open(t, chromium, address, { clock });
  return { server, start, address, open };
}

async function talker(t, server) {
  const ada = new Pipe(t, server.url, "ada", "-r", "lobby");
  await ada.event(({ type }) => type == "joined", "the join");
  let number = 0;
  return async (...contents) => {
    for (const content of contents) {
      const ref = String(++number);
      ada.send("lobby", content, ref);
      const { event } = await ada.delivery(ref);
      assert.equal(event.status, "acked");
    }
  };
}

const said = ({ event }) => ["message", "event", "gap", "error"].includes(event);

test("a page of another origin reads a room, and after a reload goes on where it was", async (t) => {
  const { server, address, open } = await rig(t);
  const say = await talker(t, server);
  const tab = await open();
  await tab.start("a", http(server), { token: "bob" });
  await tab.heard("a", "began");
  await say("one");
  const { what } = await tab.said("a", "one");
  assert.deepEqual([what.room, what.user, what.replay, what.position.seq], ["lobby", "ada", false, 1]);
  const last = await tab.page.evaluate(() => window.clients.a.lastEventId);
  assert.equal(last, `${what.position.epoch}:1:${what.position.id}`);
  await tab.load(address);
  await say("two", "three");
  await tab.start("a", http(server), { token: "bob", since: await tab.page.evaluate(() => localStorage.last) });
  const { skipped } = await tab.said("a", "three");
  assert.deepEqual(skipped.filter(said).map(({ what }) => what.content), ["two"]);
  await tab.start("b", http(server), { token: "bob", history: 2 });
  const { skipped: before } = await tab.said("b", "three");
  assert.deepEqual(before.filter(({ client }) => client == "b").filter(said).map(({ what }) => what.content), ["two"]);
  await tab.ask("a", "close");
  await tab.state("a", "closed");
  assert.equal(await tab.page.evaluate(() => window.clients.a.state), "closed");
  assert.deepEqual(tab.errors, []);
});

test("a connection that is cut loses nothing and repeats nothing", async (t) => {
  const { server, open } = await rig(t);
  const proxy = await Proxy.start(t, server.port);
  const say = await talker(t, server);
  const tab = await open();
  await tab.start("a", proxy.url.replace("ws:", "http:").replace("/ws", ""), { token: "bob" });
  await tab.heard("a", "began");
  const heard = [];
  for (const round of [1, 2, 3]) {
    await say(`${round}a`, `${round}b`);
    heard.push(...(await tab.said("a", `${round}b`)).skipped);
    proxy.refuse();
    await tab.state("a", "reconnecting");
    await say(`${round}c`);
    proxy.allow();
  }
  heard.push(...(await tab.said("a", "3c")).skipped);
  assert.deepEqual(tab.events.entries.filter(said).map(({ what }) => what.content), ["1a", "1b", "1c", "2a", "2b", "2c", "3a", "3b", "3c"]);
});

test("a server that was killed is waited for, and what is lost is told before what comes", async (t) => {
  const { server, start, open } = await rig(t);
  const say = await talker(t, server);
  const tab = await open();
  await tab.start("a", http(server), { token: "bob" });
  await tab.heard("a", "began");
  await say("before");
  await tab.said("a", "before");
  server.kill("SIGKILL");
  const { what } = await tab.state("a", "reconnecting");
  assert.equal(what.cause.willRetry, true);
  const next = await start(`127.0.0.1:${server.port}`);
  await (await talker(t, next))("after");
  const { skipped } = await tab.said("a", "after");
  const [gap] = skipped.filter(said);
  assert.deepEqual([gap.event, gap.what.after, gap.what.reason], ["gap", 1, "epoch_changed"]);
});

test("a stream that says nothing for 40 s is dead", async (t) => {
  const { server, open } = await rig(t, { clock: true });
  const proxy = await Proxy.start(t, server.port);
  const say = await talker(t, server);
  const tab = await open();
  await tab.start("a", proxy.url.replace("ws:", "http:").replace("/ws", ""), { token: "bob" });
  await tab.heard("a", "began");
  proxy.freeze();
  await say("into the ice");
  await tab.page.clock.fastForward(38_000);
  assert.equal(await tab.page.evaluate(() => window.clients.a.state), "connected");
  // A timer that is late by more than a moment leaves time to read what may be there.
  await tab.page.clock.runFor(6_000);
  const { what } = await tab.state("a", "reconnecting");
  assert.ok(["dead_peer", "network_changed"].includes(what.cause.code), what.cause.code);
  proxy.thaw();
  await tab.page.clock.runFor(5_000);
  const { skipped } = await tab.said("a", "into the ice");
  assert.deepEqual(skipped.filter(said), []);
});

test("a refused token is terminal, a source is asked once more, and a new token leads out", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "tokens"), "s3cret bob\n");
  const { server, open } = await rig(t, { args: ["--auth", `tokens=${join(folder, "tokens")}`] });
  const tab = await open();
  await tab.start("a", `${http(server)}/?token=wrong`);
  const { what } = await tab.state("a", "failed");
  assert.deepEqual([what.cause.code, what.cause.number, what.cause.willRetry], ["unauthorized", 401, false]);
  await tab.ask("a", "setToken", "s3cret");
  await tab.state("a", "connected");
  const asked = await tab.page.evaluate(async (url) => {
    const asked = [];
    const feed = await window.follow(url, { room: "lobby", token: ({ rejected }) => (asked.push(rejected), asked.length == 1 ? "old" : "s3cret") });
    await new Promise((resolve) => feed.on("state", ({ state }) => state == "connected" && resolve()));
    return asked;
  }, http(server));
  assert.deepEqual(asked, [false, true]);
});

test("what a limit of its user refuses is told in the server's words, and tried again", async (t) => {
  const { server, open } = await rig(t, { args: ["--max-user-rooms", "1"] });
  const tab = await open();
  await tab.start("a", http(server), { token: "bob" });
  await tab.heard("a", "began");
  await tab.start("b", http(server), { token: "bob", room: "other" });
  const { what } = await tab.state("b", "reconnecting");
  assert.deepEqual([what.cause.number, what.cause.willRetry], [429, true]);
  assert.equal(what.cause.text, "the server answered HTTP 429: this user has made as many rooms as one user may");
});

/** A server of somebody else's, for pages of any origin. */
async function stranger(t, answer) {
  const requests = [];
  const server = createServer((request, response) => {
    const origin = { "access-control-allow-origin": "*", "access-control-allow-headers": "*", "access-control-max-age": "600" };
    if (request.method == "OPTIONS") return response.writeHead(204, origin).end();
    requests.push({ url: request.url, headers: request.headers });
    answer(response, origin, requests.length);
  });
  return { url: `http://127.0.0.1:${await listening(t, server)}`, requests };
}

const frame = (content) =>
  `data: ${JSON.stringify({ roomId: "theirs", userId: "u", content, timestamp: "2026-01-01T00:00:00.000Z" })}\n\n`;

test("another server's ids are passed back, its events come as they are, and each return says that nobody knows", async (t) => {
  const { open } = await rig(t);
  const { url, requests } = await stranger(t, (response, origin, count) => {
    response.writeHead(200, { ...origin, "content-type": "text/event-stream;charset=utf-8" });
    if (count == 1) response.end(`id: é17\n${frame("one")}data: {"half":\n\ndata: ["x"]\ndata: y\n\nevent: gap\ndata: {"road":"A7"}\n\nid: orders:0:17\ndata: 1\n\nid: orders:1:3\ndata: 2\n\nevent: other\nid: é18\ndata: {}\n\ndata:\n\n`);
    else response.write(frame("two"));
  });
  const tab = await open();
  await tab.start("a", `${url}/base/`, { room: "a/b", token: "s3cret" });
  const { skipped } = await tab.said("a", "two");
  assert.deepEqual(
    skipped.filter(said).map(({ event, what }) => [event, what.content ?? what.reason ?? what]),
    [
      ["message", "one"],
      ["event", { name: "message", data: '{"half":' }],
      ["event", { name: "message", data: '["x"]\ny' }],
      ["event", { name: "gap", data: '{"road":"A7"}' }],
      ["event", { name: "message", data: "1", id: "orders:0:17" }],
      ["event", { name: "message", data: "2", id: "orders:1:3" }],
      ["event", { name: "other", data: "{}", id: "é18" }],
      ["event", { name: "message", data: "" }],
      ["gap", "reconnected"],
    ],
  );
  assert.equal(requests[0].url, "/base/rooms/a%2Fb/events");
  assert.equal(requests[0].headers.authorization, "Bearer s3cret");
  assert.equal(requests[0].headers["last-event-id"], undefined);
  assert.equal(Buffer.from(requests[1].headers["last-event-id"], "latin1").toString(), "é18");
});

test("answers that are no stream end it as the table says", async (t) => {
  const { open } = await rig(t);
  const tab = await open();
  for (const [status, headers, code, tries] of [
    [200, { "content-type": "text/html" }, "not_event_stream", 3],
    [404, {}, "http", 3],
    [302, { location: "/elsewhere" }, "http", 3],
    [204, {}, "server_closed", 1],
  ]) {
    const { url, requests } = await stranger(t, (response, origin) => response.writeHead(status, { ...origin, ...headers }).end());
    const name = `${status}`;
    await tab.start(name, url, { token: "bob" });
    const { what } = await tab.state(name, "failed");
    assert.deepEqual([what.cause.code, requests.length], [code, tries], name);
  }
});

test("a server may say as a date when to come back", async (t) => {
  const { open } = await rig(t);
  const tab = await open();
  const exposed = { "access-control-expose-headers": "date, retry-after" };
  // A clock of its own, which is years off.
  const headers = { ...exposed, date: "Fri, 01 Jan 2021 00:00:00 GMT", "retry-after": "Fri, 01 Jan 2021 00:02:00 GMT" };
  const { url } = await stranger(t, (response, origin) => response.writeHead(503, { ...origin, ...headers }).end());
  await tab.start("later", url, { token: "bob" });
  const { what } = await tab.state("later", "reconnecting");
  assert.ok(what.retryAt > Date.now() + 60_000, JSON.stringify(what));
});

test("bad arguments reject with a code", async (t) => {
  const { open } = await rig(t);
  const tab = await open();
  const codes = await tab.page.evaluate(async () => {
    const code = (...args) => window.follow(...args).then(() => "none", (error) => [error instanceof window.RejoinError, error.code]);
    return [
      await code("ws://h/", { room: "r" }),
      await code("http://[", { room: "r" }),
      await code("http://u:p@h/", { room: "r" }),
      await code("http://h/", { room: ".." }),
      await code("http://h/", {}),
      await code("http://h/", { room: "r", token: 7 }),
      await code("http://h/", { room: "r", history: -1 }),
    ];
  });
  assert.deepEqual(codes.map(([typed, code]) => typed && code), ["bad_url", "bad_url", "bad_url", "bad_argument", "bad_argument", "bad_option", "bad_option"]);
});

const use = (server, done) => `
const feed = await follow(${JSON.stringify(http(server))}, { room: "lobby", token: "bob", history: 1 });
const { content } = await new Promise((resolve) => feed.on("message", resolve));
await feed.close();
${done}`;

test("a worker, Vite's build and one without the file read a room too", async (t) => {
  const { server } = await rig(t);
  await (await talker(t, server))("hello");
  await worksBuilt(t, "follow", "sse", (done) => use(server, done), "hello");
});

test("both module systems of Node read a room", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  await (await talker(t, server))("hello");
  const root = project(t, {
    "own.mjs": `import { follow } from "rejoin/sse";${use(server, "console.log(content);")}`,
    "old.cjs": `const { follow } = require("rejoin/sse"); (async () => {${use(server, "console.log(content);")}})();`,
  });
  for (const name of ["own.mjs", "old.cjs"]) {
    const { stdout } = await run(process.execPath, [name], { cwd: root });
    assert.equal(stdout, "hello\n", name);
  }
});

test("its types are those of a strict project", async (t) => {
  await compiles(t, {
    "page.mts": `import { follow, type Feed, type FeedEvents } from "rejoin/sse";
const feed: Feed = await follow("https://h/", { room: "r", token: async () => "t", since: "e:1:a", history: 3 });
const off: () => void = feed.on("message", ({ content, position }) => void [content.length, position?.seq]);
feed.on("event", ({ name, data, id }) => void [name.length, data.length, id?.length]);
feed.on("gap", ({ reason, after }) => void [reason == "trimmed", after]);
feed.on("state", ({ cause }: FeedEvents["state"]) => cause?.code == "stream_ended");
// @ts-expect-error: there is no such event
feed.on("joined", () => {});
off();`,
  });
});
