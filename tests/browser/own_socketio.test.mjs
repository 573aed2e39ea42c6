// Events of the application's own on a real Socket.IO server (rejoin/socketio, option frames), in a real browser and in Node.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { SocketIoServer } from "../interop/processes.mjs";
import { compiles, html, worksBuilt } from "./builds.mjs";
import { project } from "./package.mjs";
import { browser, strict, Tab } from "./page.mjs";
import { site } from "./site.mjs";

const run = promisify(execFile);
const http = (server) => `http://127.0.0.1:${server.port}`;

/** A tab whose page starts clients that tell each event of the application's own. */
async function page(t) {
  const root = project(t, {
    "index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `
      import { connect, RejoinError, SendError } from "./node_modules/rejoin/dist/socketio.js";
      Object.assign(window, { connect, RejoinError, SendError, clients: [] });
      window.plain = (value) => JSON.parse(JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? { bytes: [...part] } : part)));
      window.start = async (name, url, options) => {
        const client = await connect(url, { token: "ada", frames: true, ...options });
        window.clients[name] = client;
        client.on("state", (what) => window.tell({ client: name, event: "state", what }));
        client.on("message", (what) => window.tell({ client: name, event: "message", what }));
        client.on("error", (what) => window.tell({ client: name, event: "error", what }));
        client.frames.any(({ name: event, args }) => window.tell({ client: name, event, what: window.plain(args) }));
      };
      document.title = "loaded";`,
  });
  return Tab.open(t, await browser(t), await site(t, root, strict));
}

async function connected(t, server, options) {
  const tab = await page(t);
  await tab.start("a", http(server), options);
  await tab.state("a", "connected");
  return tab;
}

/** Calls a method of a client's events: what it resolves to, or the error's fields. */
const ask = (tab, method, ...args) =>
  tab.page.evaluate(
    async ([method, args]) => {
      try {
        return window.plain((await window.clients.a.frames[method](...args)) ?? null);
      } catch (error) {
        const { name, code, outcome, hint, message } = error;
        return { error: name, code, outcome, hint, message, isOurs: error instanceof window.RejoinError };
      }
    },
    [method, args],
  );

const written = { status: "written" };

test("events go up and come down with all their arguments, bytes included", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await connected(t, server);
  const receipt = await tab.page.evaluate(() => {
    const bytes = new Uint8Array([9, 1, 2, 3, 9]);
    const sent = window.clients.a.frames.emit("echo", 1.5, { deep: [bytes.subarray(1, 4), "x"] }, null, new ArrayBuffer(0), "\ud83d");
    bytes.fill(0);
    return sent;
  });
  assert.deepEqual(receipt, written);
  await server.line((line) => line.includes('"type":"Buffer","data":[1,2,3]'), "the bytes");
  const { what } = await tab.heard("a", "echoed");
  assert.deepEqual(what, [1.5, { deep: [{ bytes: [1, 2, 3] }, "x"] }, null, { bytes: [] }, "\ufffd"]);
  await server.command("picture ada 00ff");
  assert.deepEqual((await tab.heard("a", "picture")).what, [{ of: { bytes: [0, 255] } }, "x"]);
  await server.command("say lobby hi");
  await tab.ask("a", "join", "lobby");
  await server.command("say lobby hi");
  await tab.said("a", "hi");
});

test("an ack is the answer, whatever it says, and whole", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await connected(t, server);
  const long = "x".repeat(20_000);
  for (const [args, expected] of [[[], null], [[false], false], [[{ error: "no" }], { error: "no" }], [[1, "two"], [1, "two"]], [[long], long]]) {
    assert.deepEqual(await ask(tab, "emitWithAck", "echo", ...args), expected);
  }
  const bytes = await tab.page.evaluate(async () => window.plain(await window.clients.a.frames.emitWithAck("echo", new Uint8Array([7]))));
  assert.deepEqual(bytes, { bytes: [7] });
  const unanswered = await tab.page.evaluate(() => window.clients.a.frames.with({ timeout: 50 }).emitWithAck("nobody").catch(({ outcome, code }) => [outcome, code]));
  assert.deepEqual(unanswered, ["unknown", "unknown"]);
  await tab.page.evaluate(() => void (window.lost = window.clients.a.frames.emitWithAck("nobody").catch(({ outcome }) => outcome)));
  assert.deepEqual(await ask(tab, "emit", "echo"), written);
  await server.command("drop ada");
  assert.equal(await tab.page.evaluate(() => window.lost), "unknown");
});

test("an idempotent event is sent again with its key until the server has answered", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await connected(t, server);
  await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    window.order = frames.with({ idempotent: "order-17" }).emitWithAck("order", "X", 3);
    window.once = frames.emitWithAck("order", "Y", 1).catch(({ outcome }) => outcome);
  });
  const unanswered = async (line) => server.line((found) => found === line, line);
  await unanswered('order ["X",3,"order-17"]');
  await unanswered('order ["Y",1]');
  await server.command("drop ada");
  await unanswered('order ["X",3,"order-17"]');
  assert.equal(await tab.page.evaluate(() => window.once), "unknown");
  await server.command("answer orders");
  await server.command("drop ada");
  await unanswered('order ["X",3,"order-17"]');
  assert.deepEqual(await tab.page.evaluate(() => window.order), ["X", 3, "order-17"]);
  const unanswerable = await tab.page.evaluate(async () => {
    const once = window.clients.a.frames.with({ idempotent: "k" });
    return once.emit("order").catch(({ code, hint }) => [code, hint]);
  });
  assert.equal(unanswerable[0], "bad_option");
  assert.match(unanswerable[1], /emitWithAck/);
  const wrong = await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    return [{ idempotent: "" }, { idempotent: 7 }, { idempotent: "x".repeat(129) }, { idempotent: "k", volatile: true }].map((options) => {
      try {
        return frames.with(options);
      } catch ({ code }) {
        return code;
      }
    });
  });
  assert.deepEqual(wrong, Array(4).fill("bad_option"));
});

test("what the server asks is answered by a listener, and by an empty answer without one", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await connected(t, server);
  server.write("quiz ada 1\n");
  await server.line((line) => line === "quizzed []", "an empty answer");
  await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    frames.once("quiz", () => {
      throw new Error("a listener's own");
    });
    frames.on("quiz", () => {});
    frames.once("quiz", async (n) => ({ n, bytes: new Uint8Array([1]) }));
  });
  server.write("quiz ada 2\n");
  await server.line((line) => line.startsWith('quizzed [{"n":2,"bytes":{"type":"Buffer","data":[1]}}]'), "the answer");
  await tab.page.evaluate(() => window.clients.a.frames.once("quiz", () => Promise.reject(new Error("cannot say"))));
  server.write("quiz ada 3\n");
  await server.line((line) => line === "quizzed []", "an empty answer again");
  await tab.page.evaluate(() => {
    const listener = () => 4;
    window.clients.a.frames.on("quiz", listener);
    window.clients.a.frames.off("quiz", listener);
  });
  server.write("quiz ada 4\n");
  await server.line((line) => line === "quizzed []", "an empty answer once more");
  assert.deepEqual(tab.errors, ["a listener's own", "cannot say"]);
});

test("each connection begins with what is kept, and what was missed is recovered with its place", async (t) => {
  const server = await SocketIoServer.start(t, "--recovery");
  const tab = await connected(t, server);
  await ask(tab, "keep", "prices", "echo", "watch");
  await tab.heard("a", "echoed");
  await server.command('emit ada price {"n":1}');
  assert.deepEqual((await tab.heard("a", "price")).what, [{ n: 1 }]);
  await server.command("drop ada");
  assert.deepEqual((await tab.heard("a", "echoed")).what[0], "watch");
  await server.command('emit ada price {"n":2}');
  assert.deepEqual((await tab.heard("a", "price")).what, [{ n: 2 }]);
  await ask(tab, "dropKept", "prices");
  await server.command("drop ada");
  await tab.state("a", "reconnecting");
  const lost = await tab.page.evaluate(() => window.clients.a.frames.with({ volatile: true }).emit("echo").catch(({ code }) => code));
  assert.equal(lost, "dropped");
  await ask(tab, "emit", "echo", "last");
  const { skipped, what } = await tab.heard("a", "echoed");
  assert.deepEqual([what[0], skipped.filter(({ event }) => event == "echoed")], ["last", []]);
});

test("names of the contract and wrong arguments are refused, by errors of the package", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await connected(t, server, { events: { message: "chat:message", send_message: "chat:send" } });
  for (const name of ["connect", "disconnect", "join_room", "chat:message", "chat:send", "error"]) {
    for (const method of ["emit", "emitWithAck", "on"]) {
      const told = await ask(tab, method, name, null);
      assert.deepEqual([told.error, told.code, told.isOurs], ["RejoinError", "bad_argument", true], `${method} ${name}`);
      assert.match(told.message, /of the contract, or Socket\.IO's own/);
    }
  }
  for (const [method, args, message] of [
    ["emit", [""], /name is an empty text/],
    ["on", ["price", null], /the listener is null/],
    ["keep", ["x".repeat(65), "price"], /key is a text/],
    ["with", [{ tmeout: 1 }], /no option "tmeout"/],
  ]) {
    assert.match((await ask(tab, method, ...args)).message, message);
  }
  const codes = await tab.page.evaluate(() => {
    const { frames } = window.clients.a;
    const cycle = {};
    cycle.cycle = cycle;
    const many = Array.from({ length: 11 }, () => new Uint8Array(1));
    const wrong = [[1n], [NaN], [cycle], [many], [new Uint8Array(1), { _placeholder: 1 }]];
    return Promise.all(wrong.map((args) => frames.emit("echo", ...args).catch(({ code }) => code)));
  });
  assert.deepEqual(codes, Array(5).fill("bad_argument"));
  assert.deepEqual(await ask(tab, "emit", "echo", { _placeholder: true }), written);
  const without = await tab.page.evaluate((url) => window.connect(url, { token: "bob" }).then((client) => client.frames).catch(({ code, hint }) => [code, hint]), http(server));
  assert.deepEqual(without, ["bad_option", "connect with { frames: true }"]);
});

/** What a consumer does; it says with `done` what it heard. */
const use = (server, done, more = "") => `
const client = await connect(${JSON.stringify(http(server))}, { token: "ada", frames: true, ${more} });
const content = String((await client.frames.emitWithAck("echo", new Uint8Array([1, 2])))[1]);
await client.close();
${done}`;

test("built with Vite and esbuild, in a worker, and in Node", async (t) => {
  const server = await SocketIoServer.start(t);
  await worksBuilt(t, "connect", "socketio", (done) => use(server, done), "2");
  const does = use(server, "console.log(content);", "webSocket: WebSocket");
  const root = project(
    t,
    {
      "package.json": '{ "type": "module" }',
      "module.js": `import { connect } from "rejoin/socketio"; import { WebSocket } from "ws"; ${does}`,
      "common.cjs": `const { connect } = require("rejoin/socketio"); const { WebSocket } = require("ws"); (async () => { ${does} })();`,
    },
    ["ws"],
  );
  for (const file of ["module.js", "common.cjs"]) assert.equal((await run(process.execPath, [file], { cwd: root })).stdout, "2\n");
});

test("the types", (t) =>
  compiles(t, {
    "package.json": '{ "type": "module" }',
    "use.ts": `
      import { connect } from "rejoin/socketio";
      interface Down { price(symbol: string, value: number): void; quiz(n: number): string }
      interface Up { subscribe(symbols: string[]): void; quote(symbol: string): number; picture(bytes: Uint8Array): void }
      const client = await connect<Down, Up>("https://h", { frames: true });
      client.frames.on("price", (symbol, value) => value.toFixed() + symbol);
      client.frames.on("quiz", (n) => n.toFixed());
      client.frames.any(({ name, args }) => name.length + args.length);
      const value: number = await client.frames.emitWithAck("quote", "X");
      await client.frames.with({ timeout: 5 }).emit("picture", new Uint8Array(value));
      client.frames.keep("prices", "subscribe", ["X"]);
      // @ts-expect-error there is no such event
      client.frames.on("pirce", () => {});
      // @ts-expect-error it takes no number
      await client.frames.emit("quote", 1);
      const plain = await connect("https://h");
      // @ts-expect-error without the option there are none
      plain.frames;
      const any = await connect("https://h", { frames: true });
      any.frames.on("anything", (first, second) => [first, second]);
    `,
  }));
