// rejoin/react with React 19 in a real Chromium, in StrictMode and with React's checks of development, and rendered in Node.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { build } from "esbuild";
import { RejoinServer } from "../interop/processes.mjs";
import { compiles } from "./builds.mjs";
import { browser } from "./page.mjs";
import { project } from "./package.mjs";
import { Proxy, site } from "./site.mjs";

const REACT = ["react", "react-dom", "scheduler"];
const TYPES = ["@types/react", "@types/react-dom", "csstype"];

/** Components that show what the hooks give, and leave it to the test as `rooms` and `connection`. */
const app = `
import { createElement as h, StrictMode, startTransition, Suspense, use, useEffect, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { connect } from "rejoin";
import { RejoinProvider, useClient, useConnection, useRoom } from "rejoin/react";
import { FakeServer } from "rejoin/testing";

const given = new Map();
let dials = 0;

function Room({ id, room, wait, ...options }) {
  const view = useRoom(room, options);
  if (wait) use(given.get(wait) ?? given.set(wait, new Promise((resolve) => (window.resume = resolve))).get(wait));
  useEffect(() => {
    window.rooms[id] = view;
    window.shown?.push([id, view.messages.length]);
  });
  const { state, refusal, messages, outgoing, members, gap, unread } = view;
  return h("section", { id, "data-room": room, "data-state": state, "data-unread": unread, "data-gap": gap?.reason },
    h("h2", null, room, " ", members?.toSorted().join(), " ", refusal?.code, " ", refusal?.message),
    h("ol", null, messages.map(({ key, user, content, gap }) => h("li", { key, className: gap && "gap" }, user, ": ", content))),
    h("ul", null, outgoing.map(({ key, content, status }) => h("li", { key }, content, " (", status, ")"))));
}

function State() {
  const connection = useConnection();
  const client = useClient();
  useEffect(() => void Object.assign(window, { connection, client }));
  return h("p", { role: "status" }, connection.text);
}

function Page({ first }) {
  const [shown, show] = useState(first);
  window.show = show;
  window.showLater = (shown) => startTransition(() => show(shown));
  return shown.map((props) => h(Suspense, { key: props.id, fallback: h("p", null, "suspended") }, h(Room, props)));
}

window.start = (props, first = [], where = document.body) => {
  window.rooms = {};
  const root = (window.root ??= createRoot(where.appendChild(document.createElement("main"))));
  root.render(h(StrictMode, null, h(RejoinProvider, props, h(State), h(Page, { first }))));
};
/** A connection to a real server. */
window.startAt = (url, options, first, more) => window.start({ connect: () => (dials++, connect(url, options)), ...more }, first);
/** One to a server in the page, whose time passes with that of the page. */
window.startFake = (first, options, more) => {
  const server = (window.server = new FakeServer(options));
  void (async () => {
    for (;;) {
      await server.clock.advance(20);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  window.startAt(server.url, { ...server.options(), token: "alice" }, first, more);
};
window.hydrate = (markup) => {
  window.rooms = {};
  const main = document.body.appendChild(document.createElement("main"));
  main.innerHTML = markup;
  const connecting = () => connect(location.hash.slice(1), { token: "alice" });
  hydrateRoot(main, h(StrictMode, null, h(RejoinProvider, { connect: connecting }, h(State), h(Page, { first: [{ id: "a", room: "lobby" }] }))));
};
Object.assign(window, { connect, connects: () => dials });
document.title = "loaded";
`;

const html = '<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title><link rel="icon" href="data:,"><body><script type="module" src="app.js"></script>';
const cleanings = [];
after(() => cleanings.forEach((clean) => clean()));
const root = project({ after: (clean) => cleanings.push(clean) }, { "package.json": '{ "type": "module" }', "app.jsx": app, "dist/index.html": html }, REACT);
// esbuild takes no file along.
cpSync(`${root}/node_modules/rejoin/dist/rejoin.wasm`, `${root}/dist/rejoin.wasm`);
await build({
  absWorkingDir: root, entryPoints: ["app.jsx"], bundle: true, format: "esm", outdir: "dist", logLevel: "silent",
  define: { "process.env.NODE_ENV": '"development"' },
});

/** A page with the components; `sent`: the frames that it has sent, and `dials`: its connections. */
async function open(t) {
  const context = await browser(t);
  const page = await context.newPage();
  const errors = [];
  const sent = [];
  const dials = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  // A dial that fails is told there too.
  page.on("console", (message) => message.type() == "error" && !/WebSocket connection/.test(message.text()) && errors.push(message.text()));
  page.on("websocket", (socket) => {
    dials.push(socket);
    socket.on("framesent", ({ payload }) => sent.push(JSON.parse(payload)));
  });
  const address = await site(t, `${root}/dist`);
  await page.goto(address);
  await page.waitForFunction(() => document.title == "loaded");
  return {
    page, errors, dials, address,
    start: (url, first, options = {}, more = {}) => page.evaluate(([url, options, first, more]) => window.startAt(url, options, first, more), [url, { token: "alice", ...options }, first, more]),
    startFake: (first, options = {}, more = {}) => page.evaluate((args) => window.startFake(...args), [first, options, more]),
    show: (...rooms) => page.evaluate((rooms) => window.show(rooms), rooms),
    call: (id, method, ...args) => page.evaluate(([id, method, args]) => window.rooms[id][method](...args), [id, method, args]),
    is: (id, state) => page.locator(`#${id}[data-state=${state}]`).waitFor(),
    items: (id) => page.locator(`#${id} ol li`).allTextContents(),
    item: (id, text) => page.locator(`#${id} ol li`, { hasText: text }).waitFor(),
    outgoing: (id, text) => page.locator(`#${id} ul li`, { hasText: text }).waitFor(),
    status: (text) => page.getByRole("status").filter({ hasText: text }).waitFor(),
    /** How often a frame about a room has been sent. */
    count: (type, room) => sent.filter((frame) => frame.type == type && frame.roomId == room).length,
  };
}

const serve = (t) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");

/** Somebody else, in this process. */
async function other(t, server, room, user = "bob") {
  const { connect } = await import(`${root}/node_modules/rejoin/dist/node.js`);
  const { WebSocket } = await import("ws");
  const client = await connect(server.url, { webSocket: WebSocket, token: user, rooms: [room] });
  t.after(() => client.close({ timeout: 0 }));
  await client.ready();
  return client;
}

test("two components in one room cost one connection and one join in StrictMode, and show the same", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "lobby");
  await bob.send("lobby", "before");
  const tab = await open(t);
  await tab.start(server.url, [{ id: "a", room: "lobby", history: 5 }, { id: "b", room: "lobby" }]);
  await tab.is("a", "joined");
  await tab.is("b", "joined");
  await bob.send("lobby", "hello");
  for (const id of ["a", "b"]) {
    await tab.item(id, "bob: hello");
    assert.deepEqual(await tab.items(id), ["bob: before", "bob: hello"]);
  }
  await tab.page.locator("#a h2", { hasText: "alice,bob" }).waitFor();
  await tab.status("Connected");
  // The history was there before; nobody has missed it.
  assert.equal(await tab.page.locator("#a").getAttribute("data-unread"), "1");
  await tab.call("a", "markRead");
  await tab.page.locator("#b[data-unread='0']").waitFor();
  assert.deepEqual([tab.dials.length, await tab.page.evaluate(() => window.connects()), tab.count("join_room", "lobby")], [1, 1, 1]);
  assert.deepEqual(tab.errors, []);
});

test("a room is left once the last component is gone, and not before", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  const left = new Promise((resolve) => bob.on("user_left", resolve));
  await tab.start(server.url, [{ id: "a", room: "lobby" }, { id: "b", room: "lobby" }, { id: "c", room: "other" }], {}, { leaveAfter: 100 });
  await tab.is("a", "joined");
  await tab.show({ id: "b", room: "lobby" }, { id: "c", room: "other" });
  await bob.send("lobby", "still there");
  await tab.item("b", "still there");
  assert.equal(tab.count("leave_room", "lobby"), 0);
  await tab.show({ id: "c", room: "other" });
  assert.deepEqual(await left, { room: "lobby", user: "alice" });
  // What comes back later begins anew, with the history that it asks for.
  await tab.show({ id: "a", room: "lobby", history: 3 });
  await tab.item("a", "still there");
  assert.deepEqual([tab.count("join_room", "lobby"), tab.count("leave_room", "lobby")], [2, 1]);
  assert.deepEqual(tab.errors, []);
});

test("what is unmounted and mounted again at once, or suspended, neither leaves nor joins, and keeps its messages", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  await tab.start(server.url, [{ id: "a", room: "lobby" }]);
  await tab.is("a", "joined");
  await bob.send("lobby", "one");
  await tab.item("a", "one");
  await tab.show();
  await tab.page.locator("#a").waitFor({ state: "detached" });
  await tab.show({ id: "b", room: "lobby" });
  await tab.is("b", "joined");
  assert.deepEqual(await tab.items("b"), ["bob: one"]);
  await tab.show({ id: "b", room: "lobby", wait: "once" });
  await tab.page.getByText("suspended").waitFor();
  await bob.send("lobby", "two");
  await tab.page.evaluate(() => window.resume());
  await tab.item("b", "two");
  assert.deepEqual(await tab.items("b"), ["bob: one", "bob: two"]);
  assert.deepEqual([tab.count("join_room", "lobby"), tab.count("leave_room", "lobby")], [1, 0]);
  assert.deepEqual(tab.errors, []);
});

test("an outage counts down in words, and what is written in it is listed until it is there, once", async (t) => {
  const server = await serve(t);
  const proxy = await Proxy.start(t, server.port);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  await tab.start(proxy.url, [{ id: "a", room: "lobby" }]);
  await tab.is("a", "joined");
  await tab.page.evaluate(() => {
    window.seen = [];
    const note = () => window.seen.push(window.connection.text);
    new MutationObserver(note).observe(document.querySelector("[role=status]"), { characterData: true, subtree: true });
  });
  proxy.refuse();
  await tab.status(/^No connection, trying again/);
  await tab.page.evaluate(() => void window.rooms.a.send("from the tunnel"));
  await tab.outgoing("a", "from the tunnel (waiting)");
  // Later delays are long enough for two numbers.
  await tab.page.waitForFunction(() => {
    const counted = window.seen.map((text) => Number(/^No connection, trying again in (\d+) s$/.exec(text)?.[1]));
    return counted.some((number, at) => number > 0 && counted[at - 1] == number + 1);
  });
  const { cause, attempt } = await tab.page.evaluate(() => window.connection);
  assert.ok(cause.willRetry && attempt > 1, JSON.stringify({ cause, attempt }));
  proxy.allow();
  await tab.page.evaluate(() => window.connection.reconnect());
  await tab.status("Connected");
  await tab.item("a", "alice: from the tunnel");
  await tab.page.locator("#a ul li").waitFor({ state: "detached" });
  await bob.send("lobby", "after");
  await tab.item("a", "bob: after");
  assert.deepEqual(await tab.items("a"), ["alice: from the tunnel", "bob: after"]);
  // One's own message is not unread.
  assert.equal(await tab.page.locator("#a").getAttribute("data-unread"), "1");
  assert.deepEqual(tab.errors, []);
});

test("a room that the server refuses says why, and is asked for again on demand", async (t) => {
  const tab = await open(t);
  await tab.startFake([{ id: "a", room: "lobby" }]);
  await tab.is("a", "joined");
  await tab.page.evaluate(() => window.server.refuseJoin("forbidden", { room: "secret", message: "members only" }));
  await tab.show({ id: "a", room: "lobby" }, { id: "b", room: "secret" }, { id: "c", room: "@me" });
  await tab.is("b", "failed");
  await tab.page.locator("#b h2", { hasText: "forbidden members only" }).waitFor();
  await tab.is("c", "refused");
  await tab.page.locator("#c h2", { hasText: "not a room name" }).waitFor();
  await tab.call("b", "join");
  await tab.is("b", "joined");
  await tab.page.evaluate(() => window.server.remove("secret", "alice"));
  await tab.is("b", "removed");
  assert.deepEqual(tab.errors, []);
});

test("rooms that are switched fast are joined once, and those that are not shown any more are left", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "room 9");
  const tab = await open(t);
  await tab.start(server.url, [{ id: "a", room: "room 0" }], {}, { leaveAfter: 500 });
  await tab.status("Connected");
  await tab.page.evaluate(async () => {
    for (let at = 0; at < 30; at++) {
      (at % 2 ? window.show : window.showLater)([{ id: "a", room: `room ${at % 10}` }]);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  });
  await tab.page.locator("#a[data-room='room 9'][data-state=joined]").waitFor();
  await bob.send("room 9", "here");
  await tab.item("a", "bob: here");
  await tab.page.waitForFunction(() => window.client.rooms.size == 1);
  assert.deepEqual(await tab.page.evaluate(() => [...window.client.rooms]), [["room 9", "joined"]]);
  for (let at = 0; at < 10; at++) {
    const [joins, leaves] = [tab.count("join_room", `room ${at}`), tab.count("leave_room", `room ${at}`)];
    // On a slow machine a round may take longer than the grace.
    assert.ok(joins >= 1 && joins <= 3 && leaves == joins - (at == 9), `room ${at}: ${joins} joins, ${leaves} leaves`);
  }
  assert.deepEqual(tab.errors, []);
});

test("a burst of messages is rendered in fewer steps, in which all components agree", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  await tab.start(server.url, [{ id: "a", room: "lobby" }, { id: "b", room: "lobby", limit: 2000 }]);
  await tab.is("a", "joined");
  await tab.page.evaluate(() => void (window.shown = []));
  await Promise.all(Array.from({ length: 1000 }, (_, at) => bob.send("lobby", `message ${at}`)));
  await tab.item("a", "message 999");
  await tab.item("b", "message 999");
  const shown = await tab.page.evaluate(() => window.shown);
  const counts = (id) => shown.filter(([one]) => one == id).map(([, count]) => count);
  assert.ok(counts("a").length < 700, `${counts("a").length} renderings for 1,000 messages`);
  assert.deepEqual(counts("a"), counts("b"));
  assert.deepEqual((await tab.items("b")).map((text) => Number(text.slice(13))), Array.from({ length: 1000 }, (_, at) => at));
  assert.deepEqual(tab.errors, []);
});

test("messages that cannot be had are marked where they are missing", async (t) => {
  const tab = await open(t);
  await tab.startFake([{ id: "a", room: "lobby", limit: 3 }]);
  await tab.is("a", "joined");
  await tab.page.evaluate(() => window.server.say("lobby", "bob", "one"));
  await tab.item("a", "one");
  await tab.page.evaluate(() => window.server.stop());
  await tab.status(/^No connection/);
  await tab.page.evaluate(() => {
    for (let at = 0; at < 20; at++) window.server.say("lobby", "bob", `missed ${at}`);
    window.server.trim("lobby", 0);
    window.server.start();
  });
  await tab.page.locator("#a[data-gap]").waitFor();
  await tab.page.evaluate(() => window.server.say("lobby", "bob", "two"));
  await tab.page.locator("#a li.gap", { hasText: "bob: two" }).waitFor();
  assert.equal(await tab.page.locator("#a").getAttribute("data-gap"), null);
  assert.deepEqual(await tab.items("a"), ["bob: one", "bob: two"]);
  for (const text of ["three", "four"]) await tab.page.evaluate((text) => window.server.say("lobby", "bob", text), text);
  await tab.item("a", "four");
  assert.deepEqual(await tab.items("a"), ["bob: two", "bob: three", "bob: four"]);
});

test("a message that is refused or whose outcome nobody knows stays listed, and is sent again on demand", async (t) => {
  const tab = await open(t);
  await tab.startFake([{ id: "a", room: "lobby" }]);
  await tab.is("a", "joined");
  await tab.page.evaluate(() => {
    window.server.nack("forbidden", { message: "not you" });
    window.rooms.a.send("hello", { data: { is: "kept" } });
  });
  await tab.outgoing("a", "hello (failed)");
  const outgoing = () => tab.page.evaluate(() => window.rooms.a.outgoing.map(({ key, error }) => ({ key, code: error?.code, outcome: error?.outcome })));
  const [{ key, code }] = await outgoing();
  assert.equal(code, "forbidden");
  await tab.call("a", "resend", key);
  await tab.item("a", "alice: hello");
  await tab.page.locator("#a ul li").waitFor({ state: "detached" });
  assert.deepEqual(await tab.page.evaluate(() => window.rooms.a.messages[0].data), { is: "kept" });

  // The server takes it, and has forgotten it before it has said so.
  await tab.page.evaluate(() => {
    window.server.cutBefore("ack");
    window.rooms.a.send("lost");
  });
  await tab.status(/^No connection/);
  await tab.page.evaluate(() => window.server.restart({ keepLog: false }));
  await tab.outgoing("a", "lost (unknown)");
  const [lost] = await outgoing();
  assert.equal(lost.outcome, "unknown");
  await tab.call("a", "dismiss", lost.key);
  await tab.page.locator("#a ul li").waitFor({ state: "detached" });
  assert.deepEqual(tab.errors, []);

  const plain = await open(t);
  await plain.startFake([{ id: "a", room: "lobby" }], { extended: false });
  await plain.is("a", "joined");
  for (const text of ["plain", "plain"]) await plain.page.evaluate((text) => void window.rooms.a.send(text), text);
  await plain.page.waitForFunction(() => window.rooms.a.messages.length == 2 && !window.rooms.a.outgoing.length);
  assert.equal(await plain.page.locator("#a").getAttribute("data-unread"), "0");
  assert.deepEqual(plain.errors, []);
});

test("a prop connect that gives no client is a failure, and no error of the page", async (t) => {
  const tab = await open(t);
  await tab.page.evaluate(() => window.start({ connect: () => {} }, [{ id: "a", room: "lobby" }]));
  await tab.status(/^Not connected: the prop connect gave no client/);
  assert.equal((await tab.page.evaluate(() => window.connection.failure)).code, "bad_argument");
  assert.deepEqual(tab.errors, []);
});

test("a connection that cannot be begun, or is given up, says why and is tried again on demand", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-tokens-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "tokens"), "secret alice\n");
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", "--auth", `tokens=${join(folder, "tokens")}`);
  const tab = await open(t);
  await tab.start("ftp://nowhere", [{ id: "a", room: "lobby" }]);
  await tab.status(/^Not connected: /);
  assert.equal((await tab.page.evaluate(() => window.connection.failure)).code, "bad_url");
  await tab.call("a", "send", "x").then(assert.fail, () => {});
  await tab.page.evaluate(() => window.connection.reconnect());
  await tab.page.waitForFunction(() => window.connects() == 2);
  await tab.page.reload();
  await tab.start("ws://127.0.0.1:9/ws", [{ id: "a", room: "lobby" }], { maxAttempts: 1 });
  await tab.status(/^Not connected: gave up after the last attempt allowed: the server cannot be reached$/);
  await tab.page.reload();
  await tab.start(server.url, [{ id: "a", room: "lobby" }], { token: "wrong" });
  await tab.status(/^Not connected: the server refused the token/);
  await tab.page.evaluate(() => window.client.setToken("secret"));
  await tab.is("a", "joined");
});

test("an unmounted provider closes its connection, and leaves one alone that it was given", async (t) => {
  const server = await serve(t);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  await tab.start(server.url, [{ id: "a", room: "lobby" }], {}, { leaveAfter: 50 });
  await tab.is("a", "joined");
  const left = new Promise((resolve) => bob.on("user_left", resolve));
  const closed = tab.dials[0].waitForEvent("close");
  await tab.page.evaluate(() => void (window.root.unmount(), (window.root = undefined)));
  await closed;
  await left;
  await tab.page.evaluate(async (url) => {
    window.own = await window.connect(url, { token: "alice", rooms: ["lobby"] });
    await window.own.ready();
    window.start({ client: window.own, leaveAfter: 50 }, [{ id: "a", room: "lobby" }, { id: "b", room: "other" }]);
  }, server.url);
  await tab.is("a", "joined");
  await tab.is("b", "joined");
  // Who is there was said before the component was.
  await tab.page.locator("#a h2", { hasText: "alice,bob" }).waitFor();
  await tab.page.evaluate(() => void window.root.unmount());
  await tab.page.waitForFunction(() => window.own.rooms.size == 1);
  assert.deepEqual(await tab.page.evaluate(() => [window.own.state, ...window.own.rooms.keys()]), ["connected", "lobby"]);
});

test("a room that the application has joined itself is read, kept, and what was missed in it is unread", async (t) => {
  const server = await serve(t);
  const proxy = await Proxy.start(t, server.port);
  const bob = await other(t, server, "lobby");
  const tab = await open(t);
  await tab.start(proxy.url, [], { rooms: ["lobby"] }, { leaveAfter: 50 });
  await tab.page.waitForFunction(() => window.client?.rooms.get("lobby") == "joined");
  await tab.show({ id: "a", room: "lobby" }, { id: "b", room: "other" });
  await tab.is("a", "joined");
  proxy.refuse();
  await tab.status(/^No connection/);
  for (const text of ["one", "two"]) await bob.send("lobby", text);
  proxy.allow();
  await tab.item("a", "bob: two");
  await tab.page.locator("#a[data-unread='2']").waitFor();
  await tab.is("b", "joined");
  await tab.show();
  await tab.page.waitForFunction(() => !window.client.rooms.has("other"));
  assert.equal(await tab.page.evaluate(() => window.client.rooms.get("lobby")), "joined");
  assert.deepEqual(tab.errors, []);
});

test("a server renders the components without connecting, and the page takes its markup over", async (t) => {
  const server = await serve(t);
  const rendering = project(t, {
    "package.json": '{ "type": "module" }',
    "render.js": `
      for (const name of ["window", "document", "localStorage", "WebSocket"]) Object.defineProperty(globalThis, name, { get() { throw new Error(name + " is touched"); } });
      const { createElement: h } = await import("react");
      const { renderToString } = await import("react-dom/server");
      const { RejoinProvider, useClient, useConnection, useRoom } = await import("rejoin/react");
      function Room() {
        const { state, messages, outgoing, unread } = useRoom("lobby");
        return h("section", { id: "a", "data-room": "lobby", "data-state": state, "data-unread": unread }, h("h2", null, "lobby", " ", " ", " "), h("ol", null, messages.length || null), h("ul", null, outgoing.length || null));
      }
      const State = () => (useClient(), h("p", { role: "status" }, useConnection().text));
      console.log(renderToString(h(RejoinProvider, { connect: () => { throw new Error("it connects"); } }, h(State), h(Room))));`,
    "require.cjs": 'console.log(Object.keys(require("rejoin/react")).sort().join());',
  }, REACT);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["render.js"], { cwd: rendering });
  assert.match(stdout, /^<p role="status">Not connected<\/p><section id="a"/);
  assert.equal((await run(process.execPath, ["require.cjs"], { cwd: rendering })).stdout, "RejoinProvider,useClient,useConnection,useRoom\n");
  const tab = await open(t);
  await tab.page.goto(`${tab.address}/#${server.url}`);
  await tab.page.evaluate((markup) => window.hydrate(markup), '<p role="status">Not connected</p><!--$--><section id="a" data-room="lobby" data-state="joining" data-unread="0"><h2>lobby<!-- --> <!-- --> <!-- --> </h2><ol></ol><ul></ul></section><!--/$-->');
  await tab.is("a", "joined");
  await tab.status("Connected");
  assert.deepEqual(tab.errors, []);
});

test("the types fit those of React, and say what is wrong", (t) =>
  compiles(t, {
    "use.tsx": `
      import type { ReactElement } from "react";
      import { connect, type Client, type SendError } from "rejoin";
      import { RejoinProvider, useClient, useConnection, useRoom, type OutgoingMessage, type Room, type RoomMessage } from "rejoin/react";
      export function Chat(): ReactElement {
        const room: Room = useRoom("lobby", { history: 20, limit: 500 });
        const { state, retryIn, failure, text } = useConnection();
        const client: Client | undefined = useClient();
        const wait: number = retryIn ?? 0;
        const waiting: readonly OutgoingMessage[] = room.outgoing.filter(({ status }) => status === "waiting");
        const newest: RoomMessage | undefined = room.messages.at(-1);
        // @ts-expect-error the list is not the component's to change
        room.messages.push(newest!);
        // @ts-expect-error there is no such state
        state === "asleep";
        // @ts-expect-error there is no such option
        useRoom("lobby", { histroy: 20 });
        void room.send("hi", { data: { a: 1 }, timeout: 5 }).then(({ status }) => status === "acked");
        return <p key={newest?.key} title={failure?.hint}>{text} {wait} {waiting.length} {client?.mode} {room.gap?.reason}</p>;
      }
      export const App = () => <RejoinProvider connect={() => connect("wss://h/ws")} leaveAfter={100}><Chat /></RejoinProvider>;
      // @ts-expect-error an address is not enough
      export const bad = <RejoinProvider url="wss://h/ws" />;
    `,
  }, { jsx: "react-jsx", skipLibCheck: false }, TYPES));
