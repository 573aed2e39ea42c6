// Several namespaces over one connection (rejoin/socketio, client.namespace), on a real Socket.IO server and on ours, in a real
// browser and in Node.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePort } from "../interop/ports.mjs";
import { RejoinServer, SocketIoServer } from "../interop/processes.mjs";
import { compiles, html } from "./builds.mjs";
import { project } from "./package.mjs";
import { browser, strict, Tab } from "./page.mjs";
import { site } from "./site.mjs";

const run = promisify(execFile);
const http = (server) => `http://127.0.0.1:${server.port}`;
const NOTIFICATIONS = "/notifications";

/** A tab whose page starts clients, and others in namespaces of theirs. */
async function page(t, headers = strict) {
  const root = project(t, {
    "index.html": html('<script type="module" src="page.js"></script>'),
    "page.js": `
      import { connect, RejoinError, SendError } from "./node_modules/rejoin/dist/socketio.js";
      Object.assign(window, { connect, RejoinError, SendError, clients: [], sockets: 0 });
      const { WebSocket } = window;
      window.WebSocket = class extends WebSocket { constructor(...given) { super(...given); window.sockets += 1; } };
      window.plain = (value) => JSON.parse(JSON.stringify(value ?? null, (_, part) => (part instanceof Uint8Array ? { bytes: [...part] } : part)));
      const listen = (name, client) => {
        window.clients[name] = client;
        for (const event of ["state", "ready", "room", "joined", "message", "notification", "gap", "error"]) {
          client.on(event, (what) => window.tell({ client: name, event, what }));
        }
        try {
          client.frames.any(({ name: event, args }) => window.tell({ client: name, event, what: window.plain(args) }));
        } catch {}
      };
      window.start = async (name, url, options) => listen(name, await connect(url, { token: "ada", frames: true, ...options }));
      window.enter = (name, from, namespace, options) => listen(name, window.clients[from].namespace(namespace, options));
      document.title = "loaded";`,
  });
  const tab = await Tab.open(t, await browser(t), await site(t, root, headers));
  return Object.assign(tab, reading(tab.events));
}

/** A way to wait for what one client is told, whatever the others are. */
function reading(journal) {
  const read = {};
  const heard = async (name, event, matches = () => true) => {
    const { entries } = journal;
    for (;;) {
      read[name] ??= 0;
      while (read[name] < entries.length) {
        const found = entries[read[name]++];
        if (found.client == name && found.event == event && matches(found.what)) return { what: found.what };
      }
      await journal.until(() => true, `${event} of ${name}`);
    }
  };
  const said = (name, content) => heard(name, "message", (message) => message.content == content);
  const state = (name, wanted) => heard(name, "state", ({ state }) => state == wanted);
  return { heard, said, state };
}

const enter = (tab, name, options = { token: "ada" }, namespace = NOTIFICATIONS, from = "a") =>
  tab.page.evaluate((given) => window.enter(...given), [name, from, namespace, options]);

/** A tab with the client `a` in `/` and in the lobby, and `n` in the other namespace and in a lobby of its own. */
async function inBoth(t, server, options = {}) {
  const tab = await page(t);
  await tab.start("a", http(server), { rooms: ["lobby"], ...options });
  await enter(tab, "n", { token: "ada", rooms: ["lobby"] });
  for (const name of ["a", "n"]) await tab.heard(name, "ready");
  return tab;
}

/** Calls a method of a client's own events: what it resolves to, or the error's fields. */
const ask = (tab, name, method, ...args) =>
  tab.page.evaluate(
    async ([name, method, args]) => {
      try {
        return window.plain(await window.clients[name].frames[method](...args));
      } catch ({ code, outcome }) {
        return { code, outcome };
      }
    },
    [name, method, args],
  );

const answered = async (tab, name, content) => (await tab.ask(name, "send", "lobby", content)).status;
const contents = (tab, name) => tab.events.entries.filter(({ client, event }) => client == name && event == "message").map(({ what }) => what.content);

test("the contract in / and notifications beside it are one connection, each with its own rooms, events and token", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await inBoth(t, server);
  await enter(tab, "c", { auth: { token: "carol" } }, "/chat", "n");
  await tab.heard("c", "ready");
  for (const [user, namespace] of [["ada", "/"], ["ada", NOTIFICATIONS], ["carol", "/chat"]]) {
    await server.line((line) => line == `opened ${user} ${namespace} EIO,transport no header`, namespace);
  }
  assert.equal(await tab.page.evaluate(() => window.sockets), 1);
  await server.command(`tell ${NOTIFICATIONS} ada order [7]`);
  assert.deepEqual((await tab.heard("n", "order")).what, [[7]]);
  await server.command(`tell ${NOTIFICATIONS} ada notification {"kind":"badge","data":1}`);
  assert.deepEqual((await tab.heard("n", "notification")).what, { kind: "badge", data: 1 });
  assert.equal(await answered(tab, "a", "in main"), "answered");
  assert.equal(await answered(tab, "n", "in the other"), "answered");
  await tab.said("n", "in the other");
  assert.deepEqual(await ask(tab, "n", "emitWithAck", "echo", 1, "x"), [1, "x"]);
  assert.deepEqual(await ask(tab, "c", "emit", "echo", "up"), { status: "written" });
  assert.deepEqual((await tab.heard("c", "echoed")).what, ["up"]);
  assert.deepEqual([contents(tab, "a"), contents(tab, "n"), contents(tab, "c")], [["in main"], ["in the other"], []]);
  await tab.ask("a", "close");
  for (const name of ["a", "n", "c"]) await tab.state(name, "closed");
  for (let count = 0; count < 3; count += 1) await server.line((line) => / client namespace disconnect$/.test(line), "a goodbye");
  assert.deepEqual(tab.errors, []);
});

test("a namespace that is refused has failed with the server's words and data, and another token lets it in; / never notices", async (t) => {
  const server = await SocketIoServer.start(t, "--tokens", "ada,bob");
  const tab = await page(t);
  await tab.start("a", http(server), { rooms: ["lobby"] });
  await enter(tab, "n", { token: "nobody" });
  const { cause } = (await tab.state("n", "failed")).what;
  assert.deepEqual([cause.code, cause.text, cause.data], ["unauthorized", "this token is not on the list", { code: "E_TOKEN" }]);
  assert.equal((await tab.ask("n", "send", "lobby", "x")).code, "closed");
  await enter(tab, "none", {}, "/none");
  assert.equal((await tab.state("none", "failed")).what.cause.code, "unknown_namespace");
  assert.equal(await answered(tab, "a", "still here"), "answered");
  await tab.page.evaluate(() => window.clients.n.setToken("bob"));
  await tab.state("n", "connected");
  assert.deepEqual(await ask(tab, "n", "emitWithAck", "echo", 1), 1);
  const states = tab.events.entries.filter(({ client, event }) => client == "a" && event == "state");
  assert.deepEqual(states.map(({ what }) => what.state), ["connected"]);
});

test("a token function is asked for its namespace alone, and again when it is refused", async (t) => {
  const server = await SocketIoServer.start(t, "--tokens", "ada,bob");
  const tab = await page(t);
  await tab.start("a", http(server));
  await tab.page.evaluate(() => {
    window.asked = [];
    const token = ({ rejected }) => (window.asked.push(rejected), rejected ? "bob" : "old");
    window.enter("n", "a", "/notifications", { token });
  });
  await tab.state("n", "connected");
  assert.deepEqual(await tab.page.evaluate(() => window.asked), [false, true]);
  await server.line((line) => line.startsWith("opened bob /notifications "), "bob");
});

test("one that the server disconnects, or that is left, changes nothing for the others, and can be entered again", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await inBoth(t, server);
  await server.command(`leave ${NOTIFICATIONS} ada`);
  assert.equal((await tab.state("n", "failed")).what.cause.code, "server_closed");
  assert.equal(await answered(tab, "a", "still here"), "answered");
  await tab.page.evaluate(() => window.clients.n.reconnect());
  await tab.heard("n", "ready");
  assert.equal(await answered(tab, "n", "back"), "answered");
  await tab.ask("n", "close");
  await server.line((line) => line == "lost ada client namespace disconnect", "a goodbye");
  assert.equal(await answered(tab, "a", "alone"), "answered");
  await enter(tab, "again");
  await tab.heard("again", "ready");
  assert.deepEqual(await ask(tab, "again", "emitWithAck", "echo", 2), 2);
  // Left and entered in one go: the consent to the one that was left is given back.
  await tab.page.evaluate(async () => {
    await window.clients.again.close();
    window.enter("b", "a", "/notifications", { token: "bob" });
    void window.clients.b.close();
    window.enter("c", "a", "/notifications", { token: "carol" });
  });
  await tab.heard("c", "ready");
  assert.deepEqual(await ask(tab, "c", "emitWithAck", "echo", 3), 3);
  assert.equal(await tab.page.evaluate(() => window.sockets), 1);
  assert.deepEqual(tab.errors, []);
});

test("after a loss each namespace is recovered: what was missed comes once and in order", async (t) => {
  const server = await SocketIoServer.start(t, "--recovery");
  const tab = await inBoth(t, server);
  for (const name of ["a", "n"]) {
    await answered(tab, name, "n0");
    await tab.said(name, "n0");
  }
  let said = 1;
  for (let time = 0; time < 3; time += 1) {
    const words = Array.from({ length: 5 }, (_, n) => `n${said + n}`);
    said += words.length;
    await server.command(`gone ada ${words.join(" ")}`);
    for (const name of ["a", "n"]) await tab.said(name, words.at(-1));
  }
  const all = Array.from({ length: said }, (_, n) => `n${n}`);
  assert.deepEqual([contents(tab, "a"), contents(tab, "n")], [all, all]);
  assert.ok(!tab.events.entries.some(({ event }) => event == "gap"));
});

test("a server that is killed and started again has all of them back, each with its own gap, outcomes and kept events", async (t) => {
  const port = await freePort();
  const server = await SocketIoServer.start(t, "--port", String(port));
  const tab = await inBoth(t, server);
  await ask(tab, "n", "keep", "prices", "echo", "watch");
  await tab.heard("n", "echoed");
  server.kill("SIGKILL");
  for (const name of ["a", "n"]) await tab.state(name, "reconnecting");
  const sends = tab.page.evaluate(() => Promise.all(["a", "n"].map(async (name) => (await window.clients[name].send("lobby", "meanwhile")).status)));
  await SocketIoServer.start(t, "--port", String(port));
  assert.deepEqual(await sends, ["answered", "answered"]);
  for (const name of ["a", "n"]) {
    await tab.heard(name, "gap");
    await tab.said(name, "meanwhile");
  }
  assert.deepEqual(tab.events.entries.filter(({ event }) => event == "echoed").map(({ client }) => client), ["n", "n"]);
});

test("bytes come in either namespace as they were sent, one after the other", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await inBoth(t, server);
  const hexes = ["010203", "ff".repeat(300)];
  await server.command(`pictures ada ${hexes.join(" ")}`);
  await server.command(`tell ${NOTIFICATIONS} ada done 1`);
  await tab.heard("n", "done");
  for (const name of ["a", "n"]) {
    const pictures = tab.events.entries.filter(({ client, event }) => client == name && event == "picture");
    const bytes = (hex) => ({ bytes: [...Buffer.from(hex, "hex")] });
    assert.deepEqual(pictures.map(({ what }) => what), hexes.map((hex) => [{ of: bytes(hex) }, bytes(hex)]));
  }
  const sent = await tab.page.evaluate(async () => window.plain(await window.clients.n.frames.emitWithAck("echo", new Uint8Array([7]))));
  assert.deepEqual(sent, { bytes: [7] });
});

test("what cannot be is refused with a reason, and leaves nothing behind", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await page(t);
  await tab.start("a", http(server));
  const codes = await tab.page.evaluate(() => {
    const { a } = window.clients;
    const code = (...given) => {
      try {
        return a.namespace(...given).state;
      } catch ({ code, message }) {
        return `${code}: ${message}`;
      }
    };
    const found = [[""], ["x"], ["/a b"], ["/"], ["/n", null], ["/n", 7], ["/n", { rooms: "lobby" }], ["/n", { frames: true }], ["/n", { auth: 1 }], ["/n", { auth: {}, token: "x" }], ["/n"], ["/n"]].map((given) => code(...given));
    for (let n = 1; n < 64; n += 1) a.namespace(`/n${n}`);
    return [...found, code("/one more")];
  });
  const expected = [
    /^bad_argument: namespace is an empty text/, /^bad_argument: "x" is no namespace/, /^bad_argument: "\/a b" is no namespace/,
    /^bad_argument: the namespace \/ is open already/, /^bad_option: options is null/, /^bad_option: options is a number/, /^bad_option: option rooms is a text/, /^bad_option: there is no option "frames"/, /^bad_option: option auth is a number/,
    /^bad_option: there are both token and auth/, /^connecting$/, /^bad_argument: the namespace \/n is open already/,
    /^bad_argument: "\/one more" is no namespace/,
  ];
  assert.equal(codes.length, expected.length);
  codes.forEach((code, at) => assert.match(code, expected[at]));
  const full = await tab.page.evaluate(() => {
    try {
      return window.clients.a.namespace("/more");
    } catch ({ message }) {
      return message;
    }
  });
  assert.equal(full, "64 namespaces are open beside the first");
  await tab.ask("a", "close");
  const closed = await tab.page.evaluate(() => {
    try {
      return window.clients.a.namespace("/more").state;
    } catch ({ code }) {
      return code;
    }
  });
  assert.equal(closed, "closed");
});

test("on our own server the personal stream comes in its namespace alone, also without events of one's own", async (t) => {
  const admin = `127.0.0.1:${await freePort()}`;
  const served = ["--namespace", `${NOTIFICATIONS}=personal`, "--admin", admin, "--allow-origin", "*"];
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", ...served);
  const tab = await page(t);
  await tab.start("a", http(server), { rooms: ["lobby"], frames: false });
  await enter(tab, "n");
  await tab.heard("n", "ready");
  const body = JSON.stringify({ kind: "order", data: { number: 7 } });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`http://${admin}/users/ada/notifications`, { method: "POST", headers, body });
  assert.equal(answer.status, 202);
  assert.deepEqual((await tab.heard("n", "notification")).what, { kind: "order", data: { number: 7 } });
  assert.equal(await answered(tab, "a", "hi"), "answered");
  assert.ok(!tab.events.entries.some(({ client, event }) => client == "a" && event == "notification"));
});

test("a namespace that is opened before the module has come is entered when it has", async (t) => {
  const server = await SocketIoServer.start(t);
  const tab = await page(t);
  let give;
  const asked = new Promise((resolve) => (give = resolve));
  let block = true;
  await tab.page.route("**/*.wasm", (route) => (block ? (give(), route.abort()) : route.continue()));
  await tab.page.route("**/*inline*", (route) => (block ? route.abort() : route.continue()));
  await tab.start("a", http(server));
  await asked;
  await enter(tab, "n", { token: "ada", rooms: ["lobby"] });
  await tab.page.evaluate(() => void (window.early = window.clients.n.send("lobby", "early").then(({ status }) => status)));
  const left = await tab.page.evaluate(async () => {
    const gone = window.clients.a.namespace("/chat");
    await gone.close();
    return gone.state;
  });
  assert.equal(left, "closed");
  block = false;
  await tab.page.evaluate(() => window.clients.a.reconnect());
  await tab.heard("n", "ready");
  assert.equal(await tab.page.evaluate(() => window.early), "answered");
});

test("in Node, from both kinds of modules", async (t) => {
  const server = await SocketIoServer.start(t);
  const does = `
    const client = await connect(${JSON.stringify(http(server))}, { token: "ada", frames: true, webSocket: WebSocket });
    const other = client.namespace("${NOTIFICATIONS}", { token: "ada" });
    const answer = await other.frames.emitWithAck("echo", "there");
    await client.close();
    console.log(answer, other.state);`;
  const root = project(
    t,
    {
      "package.json": '{ "type": "module" }',
      "module.js": `import { connect } from "rejoin/socketio"; import { WebSocket } from "ws"; ${does}`,
      "common.cjs": `const { connect } = require("rejoin/socketio"); const { WebSocket } = require("ws"); (async () => { ${does} })();`,
    },
    ["ws"],
  );
  for (const file of ["module.js", "common.cjs"]) assert.equal((await run(process.execPath, [file], { cwd: root })).stdout, "there closed\n");
});

test("the types", (t) =>
  compiles(t, {
    "package.json": '{ "type": "module" }',
    "use.ts": `
      import { connect, type Client, type NamespaceOptions } from "rejoin/socketio";
      interface Down { order(number: number): void }
      interface Up { seen(number: number): void }
      const options: NamespaceOptions = { auth: { device: "kitchen" }, rooms: ["lobby"] };
      const client = await connect("https://h", { frames: true });
      const orders = client.namespace<Down, Up>("/orders", options);
      orders.frames.on("order", (number) => void orders.frames.emit("seen", number));
      // @ts-expect-error there is no such event
      orders.frames.on("ordre", () => {});
      const plain: Client = (await connect("https://h")).namespace("/other");
      // @ts-expect-error without the option there are none
      plain.frames;
      // @ts-expect-error that is the first one's business
      client.namespace("/x", { seed: 1 });
    `,
  }));
