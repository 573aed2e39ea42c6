// The packed tarball as others use it: bundlers, a plain script, workers, Node's two module systems. Each project
// does nothing but import the package and exchange a message with the real server.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { RejoinServer } from "../interop/processes.mjs";
import { browser } from "./page.mjs";
import { project, tool } from "./package.mjs";
import { site } from "./site.mjs";

const run = promisify(execFile);
const serve = (t) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");

/** What a consumer does; it says what it heard with `done`. */
const use = (server, done, more = "{}") => `
const client = await connect(${JSON.stringify(server.url)}, { token: "alice", rooms: ["lobby"], protocol: "plain", ...${more} });
const heard = new Promise((resolve) => client.on("message", (message) => resolve(message.content)));
await client.ready();
await client.send("lobby", "hello from here");
const content = await heard;
await client.close();
${done}`;
const inPage = "document.title = content;";
const html = (script) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title>${script}`;

async function works(t, address) {
  const context = await browser(t);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error));
  await page.goto(address);
  try {
    await page.waitForFunction(() => document.title == "hello from here");
  } catch (error) {
    throw errors[0] ?? error;
  }
}

test("a plain script module, nothing built", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `import { connect } from "./node_modules/rejoin/dist/index.js";${use(server, inPage)}`,
  });
  await works(t, await site(t, root));
});

test("a module worker", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": 'new Worker("worker.js", { type: "module" }).onmessage = ({ data }) => (document.title = data);',
    "worker.js": `import { connect } from "./node_modules/rejoin/dist/index.js";${use(server, "postMessage(content);")}`,
  });
  await works(t, await site(t, root));
});

test("Vite, built", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "index.html": html('<script type="module" src="/page.js"></script>'),
    "page.js": `import { connect } from "rejoin";${use(server, inPage, "{ shareTabs: 'alice' }")}`,
  });
  await run(process.execPath, [tool("vite/bin/vite.js"), "build", "--target", "es2022"], { cwd: root });
  await works(t, await site(t, join(root, "dist")));
});

test("Vite's development server", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "package.json": '{ "type": "module", "dependencies": { "rejoin": "*" } }',
    "index.html": html('<script type="module" src="/page.js"></script>'),
    "page.js": `import { connect } from "rejoin";${use(server, inPage)}`,
  });
  const { createServer } = await import("vite");
  const vite = await createServer({ root, logLevel: "silent", server: { host: "127.0.0.1", port: 0, hmr: false } });
  t.after(() => vite.close());
  await vite.listen();
  await works(t, `http://127.0.0.1:${vite.httpServer.address().port}/`);
});

test("webpack", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "dist/index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `import { connect } from "rejoin";${use(server, inPage, "{ shareTabs: 'alice' }")}`,
  });
  const { default: webpack } = await import("webpack");
  const stats = await promisify(webpack)({
    mode: "production",
    context: root,
    entry: "./page.js",
    output: { path: join(root, "dist"), filename: "page.js" },
  });
  assert.deepEqual(stats.toJson().errors, []);
  await works(t, await site(t, join(root, "dist")));
});

test("esbuild, which takes no file along", async (t) => {
  const server = await serve(t);
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "dist/index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `import { connect } from "rejoin";${use(server, inPage, "{ shareTabs: 'alice' }")}`,
  });
  const { build } = await import("esbuild");
  await build({
    absWorkingDir: root,
    entryPoints: ["page.js"],
    bundle: true,
    format: "esm",
    outdir: "dist",
    logLevel: "silent",
  });
  await works(t, await site(t, join(root, "dist")));
});

test("a module of Node, and an older Node with the package ws", async (t) => {
  const server = await serve(t);
  const root = project(
    t,
    {
      "package.json": '{ "type": "module" }',
      "ws.js": `import { connect } from "rejoin"; import { WebSocket } from "ws";
        ${use(server, "console.log(content);", "{ webSocket: WebSocket }")}`,
      "own.js": `import { connect } from "rejoin";${use(server, "console.log(content);")}`,
    },
    ["ws"],
  );
  for (const args of [["ws.js"], ["--experimental-websocket", "own.js"]]) {
    const { stdout } = await run(process.execPath, args, { cwd: root });
    assert.equal(stdout, "hello from here\n");
  }
});

test("require in Node", async (t) => {
  const server = await serve(t);
  const root = project(
    t,
    {
      "index.js": `const { connect } = require("rejoin"); const { WebSocket } = require("ws");
        (async () => {${use(server, "console.log(content);", "{ webSocket: WebSocket }")}})();`,
    },
    ["ws"],
  );
  const { stdout } = await run(process.execPath, ["index.js"], { cwd: root });
  assert.equal(stdout, "hello from here\n");
});

test("rejoin/testing, as a module and by require", async (t) => {
  const talk = `
    const server = new FakeServer();
    const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"] });
    const { status } = await server.clock.until(client.send("lobby", "hello from here"));
    await client.close();
    console.log(status, server.room("lobby").log[0].content);`;
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "module.js": `import { connect } from "rejoin"; import { FakeServer } from "rejoin/testing";${talk}`,
    "common.cjs": `const { connect } = require("rejoin"); const { FakeServer } = require("rejoin/testing"); (async () => {${talk}})();`,
  });
  for (const file of ["module.js", "common.cjs"]) {
    const { stdout } = await run(process.execPath, [file], { cwd: root });
    assert.equal(stdout, "acked hello from here\n", file);
  }
});

test("a Node without WebSocket is told what to do", async (t) => {
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "index.js": `import { connect } from "rejoin"; delete globalThis.WebSocket;
      await connect("ws://127.0.0.1:1/ws").catch(({ name, code, hint }) => console.log(name, code, hint));`,
  });
  const { stdout } = await run(process.execPath, ["index.js"], { cwd: root });
  assert.match(stdout, /^RejoinError no_websocket .*\bws\b/);
});

test("a file that is not there, no module or one that cannot store is a typed error unless it is the package's own", async (t) => {
  const root = project(t, {
    "index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `import { connect } from "./node_modules/rejoin/dist/index.js";
      const codes = [];
      for (const wasm of ["missing.wasm", "page.js"]) {
        await connect("ws://127.0.0.1:1/ws", { wasm }).catch(({ code }) => codes.push(code));
      }
      const dist = "node_modules/rejoin/dist/";
      for (const [wasm, persist] of [["rejoin.wasm", "indexeddb"], ["rejoin.wasm"], ["rejoin-store.wasm", "indexeddb"]]) {
        const started = connect("ws://127.0.0.1:1/ws", { wasm: dist + wasm, persist });
        codes.push(await started.then(({ state }) => state, ({ code }) => code));
      }
      document.title = codes.join();`,
  });
  const context = await browser(t);
  const page = await context.newPage();
  await page.goto(await site(t, root));
  await page.waitForFunction(() => document.title != "…");
  assert.equal(await page.title(), "wasm_failed,wasm_failed,wasm_failed,connecting,connecting");
});

test("the types say what there is, in every way of importing it", async (t) => {
  const root = project(t, {
    "use.ts": `
      import { connect, RejoinError, SendError, type Message, type Receipt, type State } from "rejoin";
      const client = await connect("wss://h/ws", { token: async ({ rejected }) => (rejected ? "a" : "b"), rooms: ["r"] });
      const off: () => void = client.on("message", (message: Message) => message.content.length + message.room.length);
      client.on("state", ({ state, cause }) => { const s: State = state; cause?.code === "dead_peer" && s; });
      client.on("gap", ({ reason }) => reason === "epoch_changed");
      // @ts-expect-error there is no such event
      client.on("nonsense", () => {});
      // @ts-expect-error a state has no such name
      client.state === "asleep";
      // @ts-expect-error content is a text
      client.send("r", 5);
      // @ts-expect-error there is no such option
      await connect("wss://h/ws", { tokens: "x" });
      // @ts-expect-error how it is made is connect's business
      new (await import("rejoin")).Client();
      try {
        const receipt: Receipt = await client.send("r", "x", { timeout: 5, signal: AbortSignal.timeout(5), data: { a: 1 } });
        if (receipt.status === "acked") receipt.seq.toFixed();
        // @ts-expect-error written is all that is known
        if (receipt.status === "written") receipt.seq;
      } catch (error) {
        if (error instanceof SendError) { const outcome: "failed" | "unknown" = error.outcome; error.hint.length + outcome.length; }
        else if (error instanceof RejoinError) error.code === "closed";
      }
      await using other = await connect(["wss://a/ws", "wss://b/ws"]);
      other.join("r", { since: { epoch: "e", seq: 1, id: "i" }, history: 20 });
      off();
    `,
    "testing.ts": `
      import { connect, type Clock, type Options } from "rejoin";
      import { FakeServer, VirtualClock, type FakeServerOptions, type Logged, type Traffic, type ClientFrame, type ServerFrame } from "rejoin/testing";
      const given: FakeServerOptions = { clock: new VirtualClock({ date: new Date() }), extended: true, tokens: { t: "alice" }, limits: { replay: 5 } };
      const server = new FakeServer(given);
      const clock: Clock = server.clock;
      const page: Clock = globalThis;
      const options: Options = { ...server.options(), clock, webSocket: server.WebSocket, seed: 5 };
      const client = await connect(server.url, options);
      const receipt = await server.clock.until(client.send("r", "x"));
      if (receipt.status === "acked") receipt.seq.toFixed();
      const log: readonly Logged[] = server.room("r").log;
      const received: Traffic<ClientFrame>[] = server.received;
      for (const { frame } of received) if (frame.type === "send_message") frame.content.length;
      const sent: Traffic<ServerFrame>[] = server.sent;
      server.nack("forbidden", { room: "r", times: 2, retry: true });
      // @ts-expect-error a code is a number
      server.close("4001");
      // @ts-expect-error there is no such option
      new FakeServer({ extendd: true });
      // @ts-expect-error time moves by numbers
      await server.clock.advance("1s");
      // @ts-expect-error a seed is a number
      await connect(server.url, { seed: "x" });
      log.length + sent.length + page.performance.now();
    `,
    "common.cts": `import rejoin = require("rejoin"); import testing = require("rejoin/testing"); rejoin.connect("wss://h/ws", new testing.FakeServer().options()).then((client) => client.state === "idle");`,
  });
  const common = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,esnext.disposable,dom"];
  for (const args of [
    ["--module", "esnext", "--moduleResolution", "bundler", "use.ts", "testing.ts"],
    ["--module", "nodenext", "--moduleResolution", "nodenext", "common.cts"],
  ]) {
    await run(process.execPath, [tool("typescript/bin/tsc"), ...common, ...args], { cwd: root }).catch(({ stdout }) => {
      throw new Error(stdout);
    });
  }
});
