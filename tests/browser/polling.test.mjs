// Socket.IO by long polling (rejoin/socketio, option transports), in a real browser and in Node: where nothing lets a WebSocket
// through, and from there to a WebSocket as soon as one opens.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { RejoinServer, SocketIoServer } from "../interop/processes.mjs";
import { html } from "./builds.mjs";
import { installed } from "./installed.mjs";
import { project } from "./package.mjs";
import { browser, strict, Tab } from "./page.mjs";
import { listening } from "./site.mjs";
import { UpgradeProxy } from "./upgrade_proxy.mjs";

const { connect } = await installed("socketio-node.js");

const script = `
import { connect } from "./node_modules/rejoin/dist/socketio.js";
Object.assign(window, { connect, clients: [], heard: {} });
window.plain = (value) => JSON.parse(JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? { bytes: [...part] } : part)));
window.start = async (name, url, options) => {
  const client = await connect(url, options);
  window.clients[name] = client;
  window.heard[name] = [];
  client.on("message", ({ user, content }) => window.heard[name].push(\`\${user}: \${content}\`));
  for (const event of ["state", "ready", "joined", "message", "gap", "error"]) client.on(event, (what) => window.tell({ client: name, event, what }));
  if (options.frames) client.frames.any(({ name: event, args }) => window.tell({ client: name, event, what: window.plain(args) }));
  window.tell({ client: name, event: "state", what: client.status });
};
document.title = "loaded";
`;

/** The two servers, by name. */
const servers = {
  ours: (t) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*"),
  theirs: (t, ...args) => SocketIoServer.start(t, ...args),
};

/** A page that knows the server through a proxy alone, which lets no WebSocket through. */
async function page(t, server) {
  const root = project(t, { "index.html": html('<script type="module" src="page.js"></script>'), "page.js": script });
  const proxy = await UpgradeProxy.start(t, server.port, root, strict);
  const tab = await Tab.open(t, await browser(t), proxy.url);
  return { tab, proxy };
}

const numbers = (count) => Array.from({ length: count }, (_, number) => `${number}`);

/** Sends so many numbers at once; gives their outcomes. */
const sendAll = (tab, name, count) =>
  tab.page.evaluate(
    ([name, texts]) => Promise.all(texts.map((text) => window.clients[name].send("lobby", text).then(({ status }) => status))),
    [name, numbers(count)],
  );

/** What this client has heard of that user, which ends with this text. */
async function heardUntil(tab, name, user, last) {
  await tab.page.waitForFunction(([name, text]) => window.heard[name].includes(text), [name, `${user}: ${last}`]);
  const heard = await tab.page.evaluate((name) => window.heard[name], name);
  return heard.filter((text) => text.startsWith(`${user}: `)).map((text) => text.slice(user.length + 2));
}

for (const [whose, serve] of Object.entries(servers)) {
  test(`on ${whose}, where no WebSocket gets through: after three dials by long polling, in order and once`, async (t) => {
    const server = await serve(t);
    const { tab, proxy } = await page(t, server);
    await tab.start("a", proxy.url, { token: "ada", rooms: ["lobby"] });
    await tab.heard("a", "ready");
    assert.deepEqual(proxy.engine.slice(0, 4), ["upgrade", "upgrade", "upgrade", "GET"]);
    await tab.start("b", proxy.url, { token: "bob", rooms: ["lobby"], transports: "polling" });
    await tab.heard("b", "ready");
    const outcomes = await Promise.all([sendAll(tab, "a", 300), sendAll(tab, "b", 30)]);
    assert.ok(outcomes.flat().every((status) => status == "answered"));
    for (const [user, count] of [["ada", 300], ["bob", 30]]) {
      for (const name of ["a", "b"]) {
        assert.deepEqual(await heardUntil(tab, name, user, count - 1), numbers(count), `${name} of ${user}`);
      }
    }
    assert.equal(proxy.open, 0);
    await tab.ask("b", "close");
    await tab.state("b", "closed");
  });

  test(`on ${whose}: the connection moves to a WebSocket as soon as one opens, and nothing is lost or doubled`, async (t) => {
    const server = await serve(t);
    const { tab, proxy } = await page(t, server);
    proxy.refused = 3;
    await tab.start("a", proxy.url, { token: "ada", rooms: ["lobby"] });
    await tab.state("a", "connected");
    const outcomes = await sendAll(tab, "a", 200);
    assert.ok(outcomes.every((status) => status == "answered"));
    while (proxy.open == 0) assert.equal((await tab.ask("a", "send", "lobby", "more")).status, "answered");
    const requests = () => proxy.engine.filter((what) => what != "upgrade").length;
    // Answers of the room by the WebSocket alone.
    let before;
    do {
      before = requests();
      await tab.ask("a", "send", "lobby", "again");
    } while (requests() > before);
    const heard = await heardUntil(tab, "a", "ada", "again");
    assert.deepEqual(heard.filter((content) => /^\d+$/.test(content)), numbers(200));
    assert.ok(heard.every((content, at) => /^\d+$/.test(content) == at < 200), "in order");
    assert.equal(tab.events.entries.filter(({ event, what }) => event == "state" && what.state != "connected" && what.cause?.code == "connection_lost").length, 0);
    await tab.ask("a", "close");
    await tab.state("a", "closed");
  });
}

test("bytes go both ways by long polling, and the server is told of the end", async (t) => {
  const server = await SocketIoServer.start(t);
  const { tab, proxy } = await page(t, server);
  await tab.start("a", proxy.url, { token: "ada", frames: true, transports: "polling" });
  await tab.state("a", "connected");
  await tab.page.evaluate(() => window.clients.a.frames.emit("echo", 1.5, { deep: [new Uint8Array([1, 2, 255]), "ü"] }, new Uint8Array(0)));
  assert.deepEqual((await tab.heard("a", "echoed")).what, [1.5, { deep: [{ bytes: [1, 2, 255] }, "ü"] }, { bytes: [] }]);
  await server.command("picture ada 00ff");
  assert.deepEqual((await tab.heard("a", "picture")).what, [{ of: { bytes: [0, 255] } }, "x"]);
  const large = await tab.page.evaluate(() => window.clients.a.frames.emit("echo", "x".repeat(300_000)).then(({ status }) => status));
  assert.equal(large, "written");
  await tab.heard("a", "echoed", ([text]) => text.length == 300_000);
  await tab.ask("a", "close");
  await server.line((line) => line.startsWith("lost ada"), "the end");
});

test("by long polling a server that was killed is found again, and what was lost is told", async (t) => {
  const server = await SocketIoServer.start(t);
  const { tab, proxy } = await page(t, server);
  await tab.start("a", proxy.url, { token: "ada", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  server.kill("SIGKILL");
  const { what } = await tab.state("a", "reconnecting");
  assert.deepEqual([what.cause.code, what.cause.willRetry], ["connection_lost", true]);
  const waiting = tab.ask("a", "send", "lobby", "written in a tunnel");
  await SocketIoServer.start(t, "--port", `${server.port}`);
  assert.equal((await waiting).status, "answered");
  const { skipped } = await tab.said("a", "written in a tunnel");
  assert.deepEqual(skipped.find(({ event }) => event == "gap").what, { room: "lobby", reason: "reconnected" });
});

test("a security policy that knows WebSockets alone is not told as the reason of an outage", async (t) => {
  const { tab } = await page(t, await SocketIoServer.start(t));
  // Nothing listens there, and the policy of the page lets it open WebSockets there and nothing else.
  await tab.start("a", "http://127.0.0.1:9", { token: "ada" });
  const causes = [];
  while (causes.length < 5) causes.push((await tab.heard("a", "state", ({ cause }) => cause)).what.cause);
  assert.deepEqual(causes.map(({ code }) => code), Array(5).fill("unreachable"));
  assert.match(causes[3].text, /^long polling: /);
});

test("the code for long polling that does not come is a dial that failed, and loaded again", async (t) => {
  const { tab, proxy } = await page(t, await SocketIoServer.start(t));
  let cuts = 0;
  await tab.page.route(/polling\.js/, (route) => (++cuts <= 3 ? route.abort("connectionreset") : route.continue()));
  await tab.start("a", proxy.url, { token: "ada", transports: "polling" });
  const { what } = await tab.state("a", "reconnecting");
  assert.match(what.cause.text, /polling\.js did not load/);
  await tab.state("a", "connected");
});

/** A client in Node; it is closed with the test. */
async function client(t, url, options) {
  const client = await connect(url, { token: "ada", ...options });
  t.after(() => client.close({ timeout: 0 }));
  return client;
}

const state = async (client, wanted) => {
  while (client.state != wanted) await new Promise((resolve) => client.once("state", resolve));
  return client.status;
};

test("in Node without any WebSocket, with header fields of its own and the cookies of a load balancer", async (t) => {
  const server = await SocketIoServer.start(t);
  const proxy = await UpgradeProxy.start(t, server.port);
  proxy.answers = { "set-cookie": ["lb=one; Path=/; HttpOnly", "gone=1", "gone=; Max-Age=0", "own=theirs"] };
  const ada = await client(t, proxy.url, { transports: "polling", rooms: ["lobby"], extraHeaders: { "X-Tenant": "blue", Cookie: "own=1" } });
  await ada.ready();
  assert.equal(ada.namespace("/other").state, "connecting");
  assert.equal((await ada.send("lobby", "hi")).status, "answered");
  assert.ok(proxy.headers.every((headers) => headers["x-tenant"] == "blue"));
  assert.equal(proxy.headers[0].cookie, "own=1");
  assert.ok(proxy.headers.slice(1).every(({ cookie }) => cookie == "own=1; lb=one"), JSON.stringify(proxy.headers.map(({ cookie }) => cookie)));
  await ada.close();
  await server.line((line) => line.startsWith("lost ada"), "the end");
});

test("in Node the WebSocket that a session moves to has the header fields and cookies too", async (t) => {
  const server = await SocketIoServer.start(t);
  const proxy = await UpgradeProxy.start(t, server.port);
  proxy.refused = 3;
  proxy.answers = { "set-cookie": "lb=one" };
  const ada = await client(t, proxy.url, { webSocket: WebSocket, rooms: ["lobby"], extraHeaders: { "x-tenant": "blue" } });
  await ada.ready();
  while (!proxy.open) assert.equal((await ada.send("lobby", "hi")).status, "answered");
  const upgrades = proxy.headers.filter((_, at) => proxy.engine[at] == "upgrade");
  assert.deepEqual(upgrades.map((headers) => [headers["x-tenant"], headers.cookie]), [["blue", undefined], ["blue", undefined], ["blue", undefined], ["blue", "lb=one"]]);
});

test("a server that says nothing for as long as it promised is lost", async (t) => {
  const server = await SocketIoServer.start(t, "--ping", "1000,1000");
  const proxy = await UpgradeProxy.start(t, server.port);
  const ada = await client(t, proxy.url, { transports: "polling" });
  await state(ada, "connected");
  proxy.freeze();
  const { cause } = await state(ada, "reconnecting");
  assert.equal(cause.willRetry, true);
});

const opening = '0{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000}';

/** A server whose answers to GET are these, each a status, header fields and a body, then none; and what it was asked. */
async function answering(t, ...answers) {
  const asked = [];
  const server = createServer((request, answer) => {
    asked.push(request.method);
    if (request.method == "POST") return request.resume().on("end", () => answer.end("ok"));
    const [status, headers, body] = answers.shift() ?? [];
    if (status) answer.writeHead(status, headers).end(body);
  });
  return { url: `http://127.0.0.1:${await listening(t, server)}`, asked };
}

test("a first answer that is none of a Socket.IO server's is told in words", async (t) => {
  for (const [answer, words] of [
    [[200, { "content-type": "text/html" }, "<p>"], /a web page answers, not a Socket\.IO server/],
    [[200, {}, "96:0{}"], /not that of a Socket\.IO server/],
    [[200, {}, '0{"sid":"","pingInterval":1,"pingTimeout":1}'], /not that of a Socket\.IO server/],
    [[200, {}, "0null"], /not that of a Socket\.IO server/],
    [[200, {}, ""], /empty packet/],
    [[400, {}, '{"code":0,"message":"Transport unknown\\u0007"}'], /Transport unknown: HTTP 400/],
    [[502, {}, "x".repeat(9000)], /HTTP 502/],
    [[302, { location: "http://127.0.0.1:9/" }, ""], /redirects are not followed/],
  ]) {
    const { url, asked } = await answering(t, answer);
    const ada = await client(t, url, { transports: "polling" });
    const { cause } = await state(ada, "reconnecting");
    assert.match(cause.text, words);
    assert.deepEqual(asked, ["GET"]);
    await ada.close({ timeout: 0 });
  }
});

test("an error whose body does not end is told without it", async (t) => {
  const server = createServer((_, answer) => answer.writeHead(503).write('{"message":"busy'));
  const ada = await client(t, `http://127.0.0.1:${await listening(t, server)}`, { transports: "polling" });
  const { cause } = await state(ada, "reconnecting");
  assert.match(cause.text, /HTTP 503$/);
});

test("a later answer that cannot be read ends the connection, and is not asked for again at once", async (t) => {
  for (const answer of [[200, {}, ""], [200, {}, "2\x1e"], [200, {}, "b!!"], [500, {}, ""], [200, { "content-type": "text/html" }, "<p>"]]) {
    const { url, asked } = await answering(t, [200, {}, `${opening}\x1e40{"sid":"x"}`], answer);
    const ada = await client(t, url, { transports: "polling" });
    await state(ada, "connected");
    const { cause } = await state(ada, "reconnecting");
    assert.deepEqual([cause.code, cause.willRetry], ["connection_lost", true]);
    assert.equal(asked.filter((method) => method == "GET").length, 2);
    await ada.close({ timeout: 0 });
  }
});

/** The transport alone; what it sent in each request, which is answered unless the server `hangs`, and how it ended. */
async function session(t, { hangs = false } = {}) {
  const { PollingSession } = await installed("polling.js");
  const bodies = [];
  const server = createServer(async (request, answer) => {
    if (request.method == "GET") return request.url.includes("sid=") || answer.end(opening);
    let body = "";
    for await (const piece of request) body += piece;
    bodies.push(body);
    if (!hangs) answer.end("ok");
  });
  const port = await listening(t, server);
  let ended;
  const over = new Promise((resolve) => (ended = (...how) => resolve(how)));
  const session = await new Promise((resolve) => {
    const url = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
    const options = { upgrades: false, headers: undefined, withCredentials: false, clock: globalThis };
    const session = new PollingSession(url, options, { opened: () => resolve(session), packet() {}, upgraded() {}, ended });
  });
  return { session, bodies, over };
}

test("no request has more packets or bytes than a server takes, and all are sent before the end", async (t) => {
  const { session: polling, bodies, over } = await session(t);
  const packets = [...numbers(1000).map((number) => `4${number}`), "4" + "ü".repeat(600), new Uint8Array([1, 2, 255]), "4last"];
  for (const packet of packets) polling.send(packet);
  polling.close();
  assert.deepEqual(await over, [1000, ""]);
  assert.equal(polling.bufferedAmount, 0);
  for (const body of bodies) assert.ok(Buffer.byteLength(body) <= 1024 || !body.includes("\x1e"), `${body.length}`);
  assert.ok(bodies.every((body) => body.split("\x1e").length <= 16));
  assert.deepEqual(bodies.join("\x1e").split("\x1e"), [...packets.map((packet) => (typeof packet == "string" ? packet : "bAQL/")), "1"]);
});

test("where the server takes nothing, no more waits than a session holds, and its end is not waited for for long", async (t) => {
  const { session: polling, over } = await session(t, { hangs: true });
  for (let count = 0; count < 17; count += 1) polling.send("x".repeat(1 << 20));
  assert.ok(polling.bufferedAmount > 16 << 20);
  assert.deepEqual(await over, [1006, "too much waits to be sent"]);
  const { session: other, over: ends } = await session(t, { hangs: true });
  other.send("x");
  other.close();
  assert.deepEqual(await ends, [1006, ""]);
});

test("before the move a server is asked for packets until it has answered what was sent", async (t) => {
  const { PollingSession } = await installed("polling.js");
  const sockets = new WebSocketServer({ noServer: true });
  let [posted, polled, hasProbed] = [undefined, undefined, false];
  const server = createServer((request, answer) => {
    if (request.method == "POST") return (posted = answer);
    if (!request.url.includes("sid=")) return answer.end(opening);
    if (!hasProbed) return (polled = answer);
    // It takes no more before something was taken from it.
    answer.end("4taken");
    posted.end("ok");
  });
  const upgraded = new Promise((resolve) => {
    server.on("upgrade", (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (socket) =>
        socket.on("message", (data) => {
          if (`${data}` == "5") return resolve();
          hasProbed = true;
          socket.send("3probe");
          polled.end("6");
        }),
      ),
    );
  });
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
  });
  const port = await listening(t, server);
  const heard = [];
  const session = new PollingSession(
    `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`,
    {
      upgrades: true, headers: undefined, withCredentials: false, clock: globalThis,
      // The probe comes when a POST is under way.
      open: (url) => (session.send("4held"), new WebSocket(url)),
    },
    { opened() {}, packet: (packet) => heard.push(packet), upgraded() {}, ended: (...how) => heard.push(how) },
  );
  await upgraded;
  assert.deepEqual(heard.slice(1, 3), ["6", "4taken"]);
  session.close();
});

test("options of the transports that are none are refused by name", async () => {
  const wrong = (options, words) => assert.rejects(connect("http://h", options), (error) => error.code == "bad_option" && words.test(error.message + error.hint) || assert.fail(error));
  await wrong({ transports: "webscoket" }, /option transports is "webscoket".*did you mean "websocket"/);
  for (const transports of [null, ["polling"], true, 2]) await wrong({ transports }, /option transports .*"auto" or "websocket" or "polling"/);
  for (const extraHeaders of [null, "x", [], { a: 1 }, { "a b": "c" }, { "": "c" }, { a: "b\r\nc: d" }, { a: "\u0100" }]) await wrong({ extraHeaders }, /option extraHeaders /);
  for (const withCredentials of [null, "include", 1]) await wrong({ withCredentials }, /option withCredentials /);
  const error = await connect("http://h", {}).catch((error) => error);
  assert.deepEqual([error.code, /transports: "polling"/.test(error.hint)], ["no_websocket", true]);
});
