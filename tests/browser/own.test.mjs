// Messages of the application's own (option frames), in a real browser and in Node, on a server that others wrote.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { RejoinServer } from "../interop/processes.mjs";
import { html } from "./builds.mjs";
import { project, tool } from "./package.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { PriceServer } from "./price_server.mjs";
import { site } from "./site.mjs";

const run = promisify(execFile);

async function page(t) {
  return Tab.open(t, await browser(t), await pages(t));
}

/** Starts a client in a tab, which tells each frame that it hears. */
async function start(tab, url, options = {}) {
  await tab.start("a", url, { protocol: "plain", frames: true, ...options });
  await tab.page.evaluate(() => {
    const plain = (data) => (data instanceof Uint8Array ? { bytes: [...data] } : data);
    window.clients.a.frames.any(({ name, data }) => window.tell({ client: "a", event: "frame", what: { name, data: plain(data) } }));
  });
}

/** Calls a method of a client's frames: what it resolves to, or the error's fields. */
const ask = (tab, method, ...args) =>
  tab.page.evaluate(
    async ([method, args]) => {
      try {
        return await window.clients.a.frames[method](...args);
      } catch (error) {
        const { name, code, outcome, hint, message } = error;
        return { error: name, code, outcome, hint, message, isOurs: error instanceof window.RejoinError };
      }
    },
    [method, args],
  );

const written = { status: "written" };

test("what the server says beside the rooms comes by its name, in order, and costs nothing else", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url);
  await tab.state("a", "connected");
  await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    window.prices = [];
    const price = (frame) => window.prices.push(frame.value);
    frames.on("price", () => {
      throw new Error("a listener's own");
    });
    frames.on("price", price);
    frames.once("price", () => window.prices.push("once"));
    frames.on("price", ({ value }) => value == 3 && frames.off("price", price));
    const over = new AbortController();
    frames.on("price", () => window.prices.push("never"), { signal: over.signal });
    over.abort();
  });
  for (const value of [1, 2, 3, 4]) server.say({ type: "price", value });
  server.say('{"no":"type"}');
  server.say("[1,2]");
  server.say(Buffer.from([0, 159, 146, 150]));
  server.say(Buffer.from("7"));
  server.say(Buffer.from('{"type":"price","value":"in bytes"}'));
  server.say('{"type":"half","of":"\\ud83d"}');
  server.say("no JSON");
  server.say({ type: "message", roomId: "lobby", userId: "ada", content: "hi", timestamp: "2026-01-01T00:00:00Z" });
  server.say({ type: "message", content: "no frame of the protocol" });
  server.say({ type: "last" });
  const { skipped } = await tab.heard("a", "frame", ({ name }) => name == "last");
  const told = skipped.filter(({ event }) => event != "state" && event != "mode" && event != "ready");
  assert.deepEqual(
    told.map(({ event, what }) => (event == "frame" ? [what.name ?? null, what.data] : [event, what.content ?? what.code])),
    [
      ...[1, 2, 3, 4].map((value) => ["price", { type: "price", value }]),
      [null, { no: "type" }],
      [null, [1, 2]],
      [null, { bytes: [0, 159, 146, 150] }],
      [null, { bytes: [55] }],
      ["price", { type: "price", value: "in bytes" }],
      ["half", { type: "half", of: "\ufffd" }],
      [null, "no JSON"],
      ["message", "hi"],
      ["error", "garbled"],
    ],
  );
  assert.deepEqual(await tab.page.evaluate(() => window.prices), [1, "once", 2, 3]);
  assert.deepEqual(new Set(tab.errors), new Set(["a listener's own"]));
  const { garbledFrames, unknownFrames } = await tab.ask("a", "diagnostics");
  assert.deepEqual([garbledFrames, unknownFrames], [1, 0]);
});

test("a heartbeat that is a bare text is heard and answered, and is garbled only where nobody hears all", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await tab.start("a", server.url, { protocol: "plain", frames: true });
  await tab.state("a", "connected");
  server.say("ping");
  const { what } = await tab.heard("a", "error");
  assert.deepEqual([what.code, what.message], ["garbled", "a text that is no frame"]);
  await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    frames.any(({ data }) => data === "ping" && frames.send("pong"));
  });
  server.say("ping");
  assert.equal((await server.hears()).said, "pong");
});

test("a frame is sent as it is, in order with the messages, and its outcome is as honest as theirs", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url, { rooms: ["lobby"] });
  await tab.state("a", "connected");
  const frames = [{ type: "mine", n: 1, of: ["\ud83d", null, { deep: 1.5 }] }, [1, 2], { noType: true }];
  const outcomes = await tab.page.evaluate(async (frames) => {
    const { a } = window.clients;
    const sent = frames.flatMap((frame) => [a.frames.send(frame), a.send("lobby", "between")]);
    const bytes = new Uint8Array([9, 1, 2, 3, 9]);
    sent.push(a.frames.send(bytes.subarray(1, 4)));
    bytes.fill(0);
    return Promise.all(sent);
  }, frames);
  assert.deepEqual(outcomes, Array(7).fill(written));
  assert.equal((await server.hears()).said.type, "join_room");
  for (const [at, frame] of frames.entries()) {
    assert.deepEqual((await server.hears()).said, at ? frame : { ...frame, of: ["\ufffd", null, { deep: 1.5 }] });
    assert.equal((await server.hears()).said.content, "between");
  }
  assert.deepEqual((await server.hears()).said, [1, 2, 3]);
});

test("what waits for a connection is sent, taken back, or over in time; what was on its way is unknown", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await tab.page.evaluate(async (url) => {
    // Nothing that it is given ever leaves it.
    class Stuck extends WebSocket {
      #kept = 0;
      get bufferedAmount() {
        return this.#kept;
      }
      send(text) {
        this.#kept += window.stuck ? 100 : 0;
        super.send(text);
      }
    }
    window.clients.a = await window.connect(url, { protocol: "plain", frames: true, webSocket: Stuck });
    await window.clients.a.ready();
    window.stuck = true;
    window.outcome = window.clients.a.frames.send({ type: "on its way" }).catch(({ outcome, code }) => [outcome, code]);
  }, server.url);
  await server.hears("on its way");
  server.cut();
  assert.deepEqual(await tab.page.evaluate(() => window.outcome), ["unknown", "unknown"]);
  const outcomes = await tab.page.evaluate(async () => {
    window.stuck = false;
    const client = await window.connect("ws://127.0.0.1:1/", { protocol: "plain", frames: true });
    const told = ({ outcome, code }) => [outcome, code];
    const taken = new AbortController();
    const sent = [
      client.frames.send({ type: "late" }, { timeout: 1 }),
      client.frames.send({ type: "taken back" }, { signal: taken.signal }),
      client.frames.send({ type: "aborted before" }, { signal: AbortSignal.abort() }),
      client.frames.send({ type: "too large", text: "x".repeat(2 << 20) }),
      client.frames.send({ type: "never" }),
    ].map((sent) => sent.catch(told));
    taken.abort();
    await sent[0];
    await client.close({ timeout: 0 });
    sent.push(client.frames.send({ type: "after" }).catch(told));
    return Promise.all(sent);
  });
  assert.deepEqual(outcomes, ["timeout", "cancelled", "cancelled", "too_large", "closed", "closed"].map((code) => ["failed", code]));
});

test("wrong arguments are named, are errors of the package, and leave nothing behind", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url);
  await tab.state("a", "connected");
  for (const [method, args, message, hint] of [
    ["send", [{ type: "mine" }, { tmeout: 1 }], /no option "tmeout"/, /did you mean "timeout"/],
    ["send", [{ type: "mine" }, { timeout: "1" }], /option timeout is a text/, /milliseconds/],
    ["send", [{ type: "join_room", roomId: "lobby" }], /"join_room" is the type of a frame of the protocol/, /another/],
    ["send", [{ type: "message" }], /"message" is the type/, /another/],
    ["send", ["price", { symbol: "X" }], /no option "symbol"/, /timeout/],
    ["send", [""], /frame is an empty text/, /an object or a list/],
    ["send", ['{"type":"join_room","roomId":"lobby"}'], /"join_room" is the type of a frame of the protocol/, /another/],
    ["send", [], /frame is undefined/, /an object or a list/],
    ["on", [7, null], /name is a number/, /a text/],
    ["on", ["price", null], /the listener of "price" is null/, /a function/],
    ["any", [null], /the listener of "any" is null/, /a function/],
    ["any", [], /the listener of "any" is undefined/, /a function/],
  ]) {
    const told = await ask(tab, method, ...args);
    assert.deepEqual([told.error, told.isOurs], ["RejoinError", true], JSON.stringify([method, args, told]));
    assert.match(told.message, message);
    assert.match(told.hint, hint);
  }
  const unwritable = await tab.page.evaluate(async () => {
    const { frames } = window.clients.a;
    const cycle = {};
    cycle.cycle = cycle;
    const deep = Array.from({ length: 65 }).reduce((inner) => [inner], []);
    const join = new TextEncoder().encode('{"type":"join_room","roomId":"lobby"}');
    const wrong = [{ a: 1n }, { a: NaN }, { a: () => {} }, cycle, deep, join];
    return Promise.all(wrong.map((frame) => frames.send(frame).catch(({ code }) => code)));
  });
  assert.deepEqual(unwritable, Array(6).fill("bad_argument"));
  assert.deepEqual(await ask(tab, "send", { type: "good" }), written);
  assert.deepEqual((await server.hears()).said, { type: "good" });
  const refused = (options) =>
    tab.page.evaluate((options) => window.connect("ws://127.0.0.1:1/", options).then((client) => client.frames).catch(({ code, message, hint }) => [code, message, hint]), options);
  assert.deepEqual(await refused({}), ["bad_option", "the option frames is not given", "connect with { frames: true }"]);
  assert.match((await refused({ correlate: "id" }))[2], /frames: true/);
  assert.match((await refused({ frames: true, correlated: "id" }))[2], /did you mean "correlate"/);
  assert.match((await refused({ frames: "yes" }))[1], /option frames is a text/);
  assert.match((await refused({ frames: true, shareTabs: "ada" }))[1], /both frames and shareTabs/);
  await tab.load(tab.page.url());
  assert.match((await refused({ frames: true, wasm: "node_modules/rejoin/dist/rejoin.wasm" }))[1], /has no frames/);
  await start(tab, server.url);
  assert.deepEqual(await ask(tab, "send", { type: "good" }), written);
});

test("a page without the option loads nothing of it and only counts what it does not know", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  const loaded = [];
  tab.page.on("request", (request) => loaded.push(request.url().split("/").at(-1)));
  await tab.start("a", server.url, { protocol: "plain" });
  await tab.state("a", "connected");
  server.say({ type: "price" });
  server.say({ type: "message", roomId: "lobby", userId: "ada", content: "hi", timestamp: "2026-01-01T00:00:00Z" });
  await tab.said("a", "hi");
  assert.equal((await tab.ask("a", "diagnostics")).unknownFrames, 1);
  assert.deepEqual(loaded, ["rejoin.wasm"]);
  await start(tab, server.url);
  assert.deepEqual(loaded.slice(1).sort(), ["own.js", "rejoin-frames.wasm"]);
});

test("beside the rooms of an extended server", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const tab = await page(t);
  await start(tab, server.url, { protocol: "auto", token: "alice", rooms: ["lobby"] });
  await tab.heard("a", "ready", (mode) => mode == "extended");
  const [frame, message] = await tab.page.evaluate(() => {
    const { a } = window.clients;
    return Promise.all([a.frames.send({ type: "mine" }), a.send("lobby", "hi")]);
  });
  assert.deepEqual([frame, message.status], [written, "acked"]);
});

test("each connection begins with what is kept, in its newest form, and before what waits", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url, { rooms: ["lobby"] });
  const subscribe = (...symbols) => ({ type: "subscribe", symbols });
  await ask(tab, "keep", "prices", subscribe("X"));
  await ask(tab, "keep", "dropped", { type: "mine" });
  await tab.heard("a", "frame", ({ data }) => data.symbol == "X");
  await ask(tab, "keep", "prices", subscribe("Y"));
  await tab.heard("a", "frame", ({ data }) => data.symbol == "Y");
  await ask(tab, "dropKept", "dropped");
  for (const conn of [1, 2]) {
    server.cut();
    await tab.state("a", "reconnecting");
    await tab.page.evaluate(() => void window.clients.a.frames.send({ type: "behind" }));
    const { found } = await server.heard.until(({ conn: on, said }) => on == conn && said, "the first frame");
    assert.deepEqual(found.said, subscribe("Y"));
    await server.hears("behind");
    await tab.heard("a", "frame", ({ data }) => data.symbol == "Y");
  }
});

test("what cannot be kept is told, and one that ends each connection by its size is kept no longer", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url);
  await tab.state("a", "connected");
  await ask(tab, "keep", "large", { text: "x".repeat(65 << 10) });
  const { what } = await tab.heard("a", "error");
  assert.deepEqual([what.code, what.message], ["not_kept", 'the frame "large" is not kept: too_large']);
  for (let at = 0; at < 65; at++) await ask(tab, "keep", `${at}`, { type: "kept", at });
  assert.match((await tab.heard("a", "error")).what.message, /"64" is not kept: queue_full/);
  for (let at = 0; at < 65; at++) await ask(tab, "dropKept", `${at}`);
  await ask(tab, "keep", "end", { type: "hang_up", code: 1009 });
  assert.match((await tab.heard("a", "error")).what.message, /"end" is not kept: too_large/);
  await tab.state("a", "connected");
  assert.deepEqual(await ask(tab, "send", { type: "good" }), written);
  for (const [args, message] of [
    [["", { type: "mine" }], /key is an empty text/],
    [["x".repeat(65), { type: "mine" }], /key is a text/],
    [["k", { type: "join_room" }], /type of a frame of the protocol/],
    [["k"], /frame is undefined/],
  ]) {
    assert.match((await ask(tab, "keep", ...args)).message, message);
  }
});

test("a kept frame and one that waits outlive a reload", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  const options = { persist: "indexeddb" };
  await start(tab, server.url, options);
  await tab.state("a", "connected");
  await ask(tab, "keep", "prices", { type: "subscribe", symbols: ["X"] });
  await ask(tab, "keep", "bytes", { type: "dropped later" });
  await server.hears("subscribe");
  await ask(tab, "dropKept", "bytes");
  const stored = (content) =>
    tab.page.evaluate(async (content) => {
      for (;;) {
        const opening = indexedDB.open("rejoin", 1);
        const database = await new Promise((resolve) => (opening.onsuccess = () => resolve(opening.result)));
        const request = database.transaction("states").objectStore("states").getAll();
        const states = JSON.stringify(await new Promise((resolve) => (request.onsuccess = () => resolve(request.result))));
        database.close();
        if (states.includes(content) && !states.includes("dropped later")) return;
      }
    }, content);
  await stored("subscribe");
  await server.refuse();
  await tab.state("a", "reconnecting");
  await tab.page.evaluate(() => void window.clients.a.frames.send({ type: "waited", of: [1, null] }).catch(() => {}));
  await stored("waited");
  await tab.load(tab.page.url());
  await server.allow();
  await start(tab, server.url, options);
  await server.heard.until(({ opened }) => opened, "the next connection");
  const restored = await tab.page.evaluate(() => Promise.all(window.clients.a.restored.map(async ({ room, content, data, outcome }) => [room, content, data, await outcome])));
  assert.deepEqual(restored, [["", "", { type: "waited", of: [1, null] }, written]]);
  assert.deepEqual((await server.hears()).said, { type: "subscribe", symbols: ["X"] });
  assert.deepEqual((await server.hears()).said, { type: "waited", of: [1, null] });
});

test("a request has the answer that repeats its field, or says what became of it", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url, { correlate: "id" });
  await tab.state("a", "connected");
  const quote = (more) => ({ type: "quote", symbol: "X", ...more });
  assert.deepEqual(await ask(tab, "request", quote()), { type: "quoted", id: "r1", value: 2.5 });
  assert.deepEqual((await server.hears()).said, { id: "r1", type: "quote", symbol: "X" });
  for (const id of [7, "seven"]) assert.deepEqual(await ask(tab, "request", quote({ id })), { type: "quoted", id, value: 2.5 });
  const nobodys = quote({ symbol: "nobody's", id: "n" });
  assert.equal((await ask(tab, "request", nobodys, { timeout: 1 })).code, "timeout");
  server.say({ type: "quoted", id: "n", value: "late" });
  const { skipped } = await tab.heard("a", "frame", ({ data }) => data.value == "late");
  assert.deepEqual(skipped.filter(({ event }) => event == "frame"), [], "an answer is no event");
  const codes = await tab.page.evaluate(async (nobodys) => {
    const { frames } = window.clients.a;
    const code = (error) => error?.code ?? String(error);
    const over = new AbortController();
    const asked = [
      frames.request(nobodys, { signal: over.signal }),
      frames.request(nobodys),
      frames.request({ ...nobodys, id: ["n"] }),
      frames.request([nobodys]),
      frames.request(nobodys, { timout: 1 }),
      frames.request(nobodys, { signal: AbortSignal.abort("before") }),
    ].map((asked) => asked.catch(code));
    over.abort("not wanted");
    const codes = await Promise.all(asked);
    const many = Array.from({ length: 1024 }, (_, at) => frames.request({ ...nobodys, id: at }));
    window.lost = Promise.all(many.map((asked) => asked.catch(code)));
    codes.push(await frames.request(nobodys).catch(code));
    return codes;
  }, nobodys);
  assert.deepEqual(codes, ["not wanted", "bad_argument", "bad_argument", "bad_argument", "bad_option", "before", "too_many_requests"]);
  await server.heard.until(({ said }) => said?.id == 1023, "the last request");
  server.cut();
  const lost = await tab.page.evaluate(() => window.lost);
  assert.ok(lost.every((code) => code == "connection_lost"), lost.find((code) => code != "connection_lost"));
  await tab.state("a", "connected");
  assert.equal((await ask(tab, "request", quote())).value, 2.5);
  await tab.page.evaluate((nobodys) => void (window.ended = window.clients.a.frames.request(nobodys).catch(({ code }) => code)), nobodys);
  await server.hears("quote");
  await tab.ask("a", "close");
  assert.equal(await tab.page.evaluate(() => window.ended), "closed");
  await start(tab, server.url);
  const told = await ask(tab, "request", quote());
  assert.deepEqual([told.code, told.isOurs], ["bad_option", true]);
  assert.match(told.hint, /correlate/);
});

test("what is volatile goes at once or not at all", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url);
  await tab.state("a", "connected");
  assert.deepEqual(await ask(tab, "send", { type: "place" }, { volatile: true }), written);
  await server.hears("place");
  server.cut();
  await tab.state("a", "reconnecting");
  const dropped = await ask(tab, "send", { type: "lost place" }, { volatile: true });
  assert.deepEqual([dropped.error, dropped.outcome, dropped.code], ["SendError", "failed", "dropped"]);
  assert.match(dropped.hint, /without volatile/);
  await ask(tab, "send", { type: "after" });
  const { skipped } = await server.heard.until(({ said }) => said?.type == "after", "what came after");
  assert.ok(skipped.every(({ said }) => said?.type != "lost place"));
});

/** What a consumer does; it says with `done` what it heard. */
const use = (server, done, more = "{}") => `
const client = await connect(${JSON.stringify(server.url)}, { protocol: "plain", frames: true, ...${more} });
const heard = new Promise((resolve) => client.frames.on("price", resolve));
await client.frames.send({ type: "subscribe", symbols: ["X"] });
const { symbol } = await heard;
await client.close();
${done}`;

test("built with Vite, with webpack, and with esbuild, which takes no file along", async (t) => {
  const server = await PriceServer.start(t);
  const script = `import { connect } from "rejoin";${use(server, "document.title = symbol;")}`;
  const index = html('<script type="module" src="page.js"></script>');
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "index.html": html('<script type="module" src="/page.js"></script>'),
    "page.js": script,
    "webpack/index.html": index,
    "esbuild/index.html": index,
  });
  await run(process.execPath, [tool("vite/bin/vite.js"), "build", "--target", "es2022"], { cwd: root });
  const { default: webpack } = await import("webpack");
  const stats = await promisify(webpack)({ mode: "production", context: root, entry: "./page.js", output: { path: join(root, "webpack"), filename: "page.js" } });
  assert.deepEqual(stats.toJson().errors, []);
  const { build } = await import("esbuild");
  await build({ absWorkingDir: root, entryPoints: ["page.js"], bundle: true, format: "esm", outdir: "esbuild", logLevel: "silent" });
  const context = await browser(t);
  for (const built of ["dist", "webpack", "esbuild"]) {
    const page = await context.newPage();
    await page.goto(await site(t, join(root, built)));
    await page.waitForFunction(() => document.title == "X");
  }
});

test("in Node, as a module and by require, with the package ws", async (t) => {
  const server = await PriceServer.start(t);
  const does = use(server, "console.log(symbol);", "{ webSocket: WebSocket }");
  const root = project(
    t,
    {
      "package.json": '{ "type": "module" }',
      "module.js": `import { connect } from "rejoin"; import { WebSocket } from "ws"; ${does}`,
      "common.cjs": `const { connect } = require("rejoin"); const { WebSocket } = require("ws"); (async () => { ${does} })();`,
    },
    ["ws"],
  );
  for (const file of ["module.js", "common.cjs"]) {
    assert.equal((await run(process.execPath, [file], { cwd: root })).stdout, "X\n");
  }
});

test("a frame of the server's own that is called as one of the protocol's is told, and nobody waits for it", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url);
  await tab.state("a", "connected");
  const types = ["notification", "message", "hello", "joined", "user_left", "presence", "ack", "pong", "going_away", "error"];
  for (const type of [...types, "notification"]) server.say({ type, mine: true });
  server.say({ type: "last" });
  const { skipped } = await tab.heard("a", "frame", ({ name }) => name == "last");
  const told = skipped.filter(({ event }) => event == "error").map(({ what }) => [what.code, /"(\w+)"/.exec(what.message)?.[1]]);
  assert.deepEqual(told, types.map((type) => ["garbled", type]));
  const refused = await tab.page.evaluate(() =>
    ["on", "once", "off"].map((method) => {
      try {
        window.clients.a.frames[method]("notification", () => {});
      } catch ({ code, message }) {
        return [code, message];
      }
    }),
  );
  assert.deepEqual(refused, Array(3).fill(["bad_argument", '"notification" is the type of a frame of the protocol']));
});

test("a request takes what can be sent as an object, and nothing that would become something else", async (t) => {
  const server = await PriceServer.start(t);
  const tab = await page(t);
  await start(tab, server.url, { correlate: "id" });
  await tab.state("a", "connected");
  const codes = await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    const wrong = [new Uint8Array([1]), new Map(), new Date(), [1], new DataView(new ArrayBuffer(1)), new ArrayBuffer(1), new Error("x")];
    const code = (promise) => promise.then(() => "sent", ({ code }) => code);
    return Promise.all([...wrong.map((frame) => code(frames.request(frame))), code(frames.send(new Date())), code(frames.send({ type: "x", list: [undefined] }))]);
  });
  assert.deepEqual(codes, Array(9).fill("bad_argument"));
});
