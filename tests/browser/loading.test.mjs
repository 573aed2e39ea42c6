// The way of the machine's module to where it runs: a blip is waited out and told, what will never work is said at once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { RejoinServer } from "../interop/processes.mjs";
import { installed, root } from "./installed.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { project } from "./package.mjs";
import { listening } from "./site.mjs";

const run = promisify(execFile);
const { FakeServer } = await installed("testing.js");
const dist = join(root, "node_modules/rejoin/dist");

let copies = 0;
/** The package as nobody has used it yet: its module is not loaded. */
const fresh = (name = "node.js") => installed(`${name}?${++copies}`);

/** Serves a file of the package as the script says: each answer is a status, `hang`, or `cut`; then the file. */
async function serving(t, file, ...answers) {
  const server = createServer((_, response) => {
    const answer = answers.shift();
    if (answer == "hang") return;
    if (answer == "cut") return response.writeHead(200, { "content-length": 5000 }).flushHeaders(), setTimeout(() => response.destroy(), 20);
    if (answer) return response.writeHead(answer).end();
    response.end(readFileSync(join(dist, file)));
  });
  return `http://127.0.0.1:${await listening(t, server)}/${file}`;
}

const states = (client) => {
  const told = [client.status];
  client.on("state", (status) => told.push(status));
  return told;
};

test("a module that does not come at first is loaded again, which is told as a state, and nothing is lost", async (t) => {
  const { connect } = await fresh();
  const server = new FakeServer();
  const { clock } = server;
  const wasm = await serving(t, "rejoin-store.wasm", 503, "cut", 503);
  const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"], wasm });
  const told = states(client);
  const sent = client.send("lobby", "early", { data: { n: 1 } });
  const joined = client.join("other");
  while (client.state != "connected") {
    // What comes over the real network takes real time.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(100);
  }
  assert.equal((await clock.until(sent)).status, "acked");
  await clock.until(joined);
  assert.deepEqual(server.room("lobby").log.map(({ content, data }) => [content, data]), [["early", { n: 1 }]]);
  const waiting = told.filter(({ state }) => state == "reconnecting");
  assert.ok(waiting.length >= 1);
  for (const { attempt, retryAt, cause } of waiting) {
    assert.ok(attempt >= 1 && retryAt > 0);
    assert.deepEqual([cause.code, cause.willRetry], ["wasm_unavailable", true]);
    assert.match(cause.text, /503|terminated|aborted|fetch/);
  }
  await clock.until(client.close());
  assert.equal(clock.timers, 0);
});

test("while the module hangs every wait ends as it should", async (t) => {
  const { connect } = await fresh();
  const server = new FakeServer();
  const { clock } = server;
  const wasm = await serving(t, "rejoin-store.wasm", "hang");
  const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"], wasm });
  assert.equal(client.state, "connecting");
  const controller = new AbortController();
  const ends = [
    assert.rejects(client.send("lobby", "x", { timeout: 1000 }), { outcome: "failed", code: "timeout" }),
    assert.rejects(client.send("lobby", "x", { signal: controller.signal }), { outcome: "failed", code: "cancelled" }),
    assert.rejects(client.send("lobby", "x".repeat(5 << 20)), { outcome: "failed", code: "queue_full" }),
  ];
  const kept = assert.rejects(client.send("lobby", "x"), { outcome: "failed", code: "closed" });
  const joined = assert.rejects(client.join("other"), { code: "closed" });
  const ready = assert.rejects(client.ready(), { code: "closed" });
  controller.abort();
  await clock.advance(1000);
  await Promise.all(ends);
  assert.equal(client.diagnostics().outboxLength, 1);
  await client.close();
  await Promise.all([kept, joined, ready]);
  assert.equal(client.state, "closed");
  assert.equal(clock.timers, 0);
});

test("a signal ends the wait for connect", async (t) => {
  for (const [file, entry, start] of [
    ["rejoin-store.wasm", "node.js", ({ connect }, options) => connect("ws://127.0.0.1:1/ws", { webSocket: class {}, ...options })],
    ["rejoin-socketio.wasm", "socketio-node.js", ({ connect }, options) => connect("http://127.0.0.1:1", { webSocket: class {}, ...options })],
    ["rejoin-feed.wasm", "sse-node.js", ({ follow }, options) => follow("http://127.0.0.1:1", { room: "r", ...options })],
  ]) {
    const wasm = await serving(t, file, "hang");
    const controller = new AbortController();
    const started = start(await fresh(entry), { wasm, signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(started, /enough/, entry);
  }
});

test("rejoin/socketio and rejoin/sse wait for their modules too", async (t) => {
  const { connect } = await fresh("socketio-node.js");
  const socketio = await connect("http://127.0.0.1:1", { webSocket: class extends EventTarget { close() {} }, wasm: await serving(t, "rejoin-socketio.wasm", 502, 502) });
  const told = states(socketio);
  while (!told.some(({ cause }) => cause)) await new Promise((resolve) => socketio.once("state", resolve));
  assert.equal(told.find(({ cause }) => cause).cause.code, "wasm_unavailable");
  await socketio.close();
  const { follow } = await fresh("sse-node.js");
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const feed = await follow(server.url.replace("ws:", "http:").replace("/ws", ""), { room: "lobby", token: "alice", wasm: await serving(t, "rejoin-feed.wasm", 502, 502) });
  const heard = states(feed);
  while (feed.state != "connected") await new Promise((resolve) => feed.once("state", resolve));
  assert.ok(heard.some(({ cause }) => cause?.code == "wasm_unavailable"));
  await feed.close();
  const { follow: never } = await fresh("sse-node.js");
  const hanging = await never("http://127.0.0.1:1", { room: "lobby", wasm: await serving(t, "rejoin-feed.wasm", 503, 503, "hang") });
  await hanging.close();
  assert.equal(hanging.state, "closed");
});

test("what will never load rejects at once, and says what to do", async (t) => {
  const { connect } = await fresh();
  const options = { webSocket: class {} };
  const fails = (wasm) => connect("ws://127.0.0.1:1/ws", { ...options, wasm }).catch((error) => error);
  const missing = await fails(await serving(t, "rejoin-store.wasm", 404));
  assert.deepEqual([missing.code, /404/.test(missing.message), /option wasm/.test(missing.hint)], ["wasm_failed", true, true]);
  const none = await fails(new Uint8Array(8));
  assert.deepEqual([none.code, /policy/.test(none.hint)], ["wasm_failed", false]);
});

test("a runtime without WebAssembly, and one that compiles none, are named", async (t) => {
  const project_ = project(t, {
    "package.json": '{ "type": "module" }',
    "none.js": `delete globalThis.WebAssembly; const { connect } = await import("rejoin"); const { follow } = await import("rejoin/sse");
      for (const start of [() => connect("ws://h", { webSocket: class {} }), () => follow("http://h", { room: "r" })])
        await start().catch(({ code, message, hint }) => console.log(code, message, hint));`,
    "refuses.js": `import { connect } from "rejoin"; import { readFileSync } from "node:fs";
      const module = new WebAssembly.Module(readFileSync("node_modules/rejoin/dist/rejoin.wasm"));
      WebAssembly.compile = async () => { throw new WebAssembly.CompileError("WebAssembly.compile(): Wasm code generation disallowed by embedder"); };
      await connect("ws://h", { webSocket: class {} }).catch(({ code, hint }) => console.log(code, hint));
      const client = await connect("ws://h", { webSocket: class extends EventTarget { close() {} }, wasm: module });
      console.log(client.state);
      await client.close();`,
  });
  const none = (await run(process.execPath, ["none.js"], { cwd: project_ })).stdout;
  assert.match(none, /^(no_webassembly this runtime has no WebAssembly React Native.*\n){2}$/);
  const refuses = (await run(process.execPath, ["refuses.js"], { cwd: project_ })).stdout;
  assert.match(refuses, /^wasm_failed .*import it \(rejoin\/rejoin\.wasm\).*option wasm\nconnecting\n$/);
  assert.doesNotMatch(none + refuses, /policy/);
});

test("in a Worker the modules are imported, as its tools do it by the condition workerd", async (t) => {
  const root = project(t, {
    "worker.js": `
      import { connect } from "rejoin"; import { connect as socketio } from "rejoin/socketio"; import { follow } from "rejoin/sse";
      import { FakeServer } from "rejoin/testing";
      const server = new FakeServer();
      const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"] });
      console.log((await server.clock.until(client.send("lobby", "hi"))).status);
      await server.clock.until(client.close());
      const other = await socketio("http://h", { ...server.options(), webSocket: class extends EventTarget { close() {} } });
      console.log(other.state);
      await other.close();
      const feed = await follow("http://h", { room: "r", fetch: () => new Promise(() => {}) });
      console.log(feed.state);
      await feed.close();
      await connect(server.url, { ...server.options(), persist: "indexeddb" }).catch(({ code }) => console.log(code));`,
  });
  const { build } = await import("esbuild");
  const precompiled = {
    name: "precompiled",
    setup({ onLoad }) {
      onLoad({ filter: /\.wasm$/ }, ({ path }) => ({
        contents: `export default new WebAssembly.Module(Buffer.from("${readFileSync(path).toString("base64")}", "base64"));`,
      }));
    },
  };
  await build({
    absWorkingDir: root, entryPoints: ["worker.js"], bundle: true, format: "esm", outfile: "out.mjs", logLevel: "silent",
    conditions: ["workerd", "worker", "browser"], plugins: [precompiled],
    banner: { js: 'WebAssembly.compile = async () => { throw new WebAssembly.CompileError("disallowed by embedder"); };' },
  });
  const { stdout } = await run(process.execPath, ["out.mjs"], { cwd: root });
  assert.equal(stdout, "acked\nconnecting\nconnecting\nno_storage\n");
});

test("a page whose module is cut off, and its copy too, starts and goes on when they come", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const tab = await Tab.open(t, await browser(t), await pages(t));
  let cuts = 0;
  await tab.page.route(/rejoin\.wasm|inline\.js/, (route) => (++cuts <= 6 ? route.abort("connectionreset") : route.continue()));
  await tab.start("a", server.url, { token: "alice", rooms: ["lobby"] });
  const { what } = await tab.state("a", "reconnecting");
  assert.equal(what.cause.code, "wasm_unavailable");
  await tab.heard("a", "ready");
  assert.equal((await tab.ask("a", "send", "lobby", "here")).status, "acked");
});

test("in a page a text that is no URL is no address of the module, and the option is named", async (t) => {
  const tab = await Tab.open(t, await browser(t), await pages(t));
  for (const wasm of ["https://", "http://[/rejoin.wasm"]) {
    const error = await tab.page.evaluate((wasm) => window.connect("ws://127.0.0.1:9/ws", { wasm }).catch(({ code, message, hint }) => ({ code, message, hint })), wasm);
    assert.equal(error.code, "wasm_failed", wasm);
    assert.match(error.message, /URL/);
    assert.match(error.hint, /option wasm/);
  }
});

test("a page whose script for an option does not come starts, tells it, and goes on when it comes", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const chromium = await browser(t);
  const address = await pages(t);
  for (const [name, options] of [["store", { persist: "indexeddb" }], ["tabs", { shareTabs: "alice" }], ["tabs", { shareTabs: "alice", debug: true }]]) {
    const tab = await Tab.open(t, chromium, address);
    let isAway = true;
    await tab.page.route(`**/${name}.js`, (route) => (isAway ? route.abort("connectionreset") : route.continue()));
    await tab.start("a", server.url, { token: "alice", rooms: ["lobby"], ...options });
    const { what } = await tab.state("a", "reconnecting");
    assert.deepEqual([what.cause.code, what.cause.willRetry], [`${name}_failed`, true]);
    assert.match(what.cause.text, new RegExp(`^${name}\\.js did not load: `));
    const sent = tab.ask("a", "send", "lobby", "early");
    isAway = false;
    assert.equal((await sent).status, "acked");
    await tab.ask("a", "close");
    await tab.page.close();
  }
});

test("a client that is closed before its script comes leaves nothing open", async (t) => {
  const tab = await Tab.open(t, await browser(t), await pages(t));
  const held = [];
  await tab.page.route("**/store.js", (route) => void held.push(route));
  await tab.start("a", "ws://127.0.0.1:9/ws", { token: "alice", persist: "indexeddb" });
  await tab.ask("a", "close");
  const loaded = tab.page.waitForResponse(/rejoin-store\.wasm/);
  for (const route of held) await route.continue();
  await loaded;
  await tab.page.waitForFunction(async () => {
    const { held, pending } = await navigator.locks.query();
    const isFree = ![...held, ...pending].some(({ name }) => name.startsWith("rejoin "));
    const has = (await indexedDB.databases()).some(({ name }) => name == "rejoin");
    return isFree && has;
  });
});

test("the part for messages of one's own that does not come is named after a while, and loaded again by the next connect", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const chromium = await browser(t);
  const address = await pages(t);
  for (const [name, options] of [["own", { frames: true }]]) {
    const tab = await Tab.open(t, chromium, address);
    let held = [];
    await tab.page.route(`**/${name}.js`, (route) => (held ? void held.push(route) : route.continue()));
    const { error, code, text } = await tab.page.evaluate(
      ([url, options]) => window.connect(url, options).then(() => ({}), ({ name, code, cause }) => ({ error: name, code, text: cause.message })),
      [server.url, options],
    );
    assert.deepEqual([error, code, text], ["RejoinError", `${name}_failed`, "no answer for 3 s"]);
    const late = held;
    held = undefined;
    for (const route of late) await route.continue();
    await tab.start("a", server.url, { token: "alice", rooms: ["lobby"], ...options });
    await tab.heard("a", "ready");
    await tab.page.close();
  }
});

test("parts of the package that do not come at first are loaded again", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const tab = await Tab.open(t, await browser(t), await pages(t));
  const cut = new Set();
  await tab.page.route(/(store|tabs)\.js/, (route) => {
    const url = route.request().url();
    if (cut.has(url)) return route.continue();
    cut.add(url);
    return route.abort("connectionreset");
  });
  await tab.start("a", server.url, { token: "alice", rooms: ["lobby"], persist: "indexeddb", shareTabs: "alice" });
  await tab.heard("a", "ready");
  assert.equal(cut.size, 2);
});
