// Our server behind nginx, haproxy, Caddy and Apache, with the configuration that the manual gives for them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:http2";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { inTime, Journal } from "./journal.mjs";
import { FaultProxy, Pipe, Rejoin, RejoinServer } from "./processes.mjs";
import { Apache, Caddy, Haproxy, Nginx } from "./proxies.mjs";
import { SocketIoClient } from "./socketio-client.mjs";

const TRUSTING = ["--trusted-proxy", "127.0.0.1/32", "--allow-host", "rejoin"];

const start = (t, ...args) => RejoinServer.start(t, "--listen", "127.0.0.1:0", ...TRUSTING, ...args);

/** A client on the npm package ws, in the lobby, as a page of the proxy's host would be. */
async function pageInLobby(t, proxy, user, headers = { origin: proxy.origin }) {
  const socket = new WebSocket(`${proxy.url}?token=${user}`, { ca: readFileSync(proxy.ca), headers });
  t.after(() => socket.terminate());
  const journal = new Journal(`the page of ${user}`);
  socket.on("message", (data) => journal.add(JSON.parse(data))).on("error", (error) => journal.fail(error));
  await inTime(once(socket, "open"), `the connection of ${user}`);
  const say = (frame) => socket.send(JSON.stringify(frame));
  const said = (content) => journal.until((frame) => frame.content === content, `"${content}"`);
  say({ type: "join_room", roomId: "lobby" });
  say({ type: "send_message", roomId: "lobby", content: `${user} is here` });
  await said(`${user} is here`);
  return { say, said, leave: () => socket.terminate() };
}

/** A pipe in the lobby, which knows it. */
async function pipeInLobby(t, proxy, user) {
  const pipe = new Pipe(t, proxy.url, user, "-r", "lobby", "--ca", proxy.ca);
  await pipe.event(({ type }) => type === "joined", `the join of ${user}`);
  return pipe;
}

/** The lines of a feed that is read over HTTP/2, as a page of the proxy's host would. */
async function opened(t, proxy, headers = {}) {
  const session = connect(proxy.origin, { ca: readFileSync(proxy.ca) });
  t.after(() => session.destroy());
  await inTime(once(session, "connect"), "HTTP/2");
  assert.equal(session.alpnProtocol, "h2");
  const path = "/rooms/lobby/events?token=reader&history=1";
  const feed = session.request({ ":path": path, origin: proxy.origin, ...headers });
  const [answer] = await inTime(once(feed, "response"), "the feed");
  assert.equal(answer[":status"], 200);
  const lines = new Journal("the feed");
  // At the end of a test its server may go before the feed is closed: an error of the feed is a line as others are.
  for (const end of [feed, session]) end.on("error", (error) => lines.add(`error: ${error.message}`));
  createInterface({ input: feed }).on("line", (line) => lines.add(line)).on("error", () => {});
  return lines;
}

/** The status and the body of an answer over plain HTTP that ends. */
async function answer(url, headers) {
  const request = get(url, { headers, agent: false });
  const upgraded = once(request, "upgrade").then(([response, socket]) => [response, socket.destroy()]);
  const [response, over] = await inTime(Promise.race([once(request, "response"), upgraded]), "the answer");
  let body = "";
  if (over === undefined) for await (const data of response.setEncoding("utf8")) body += data;
  return { status: response.statusCode, body };
}

const UPGRADE = {
  connection: "Upgrade", upgrade: "websocket",
  "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Everybody who can talk through a proxy does, and hears the others. */
async function everybodyTalks(t, proxy) {
  const ca = readFileSync(proxy.ca);
  const socketIo = { ca, path: `${proxy.prefix}/socket.io/` };
  const [pipe, page, ...others] = await Promise.all([
    pipeInLobby(t, proxy, "pipe"),
    pageInLobby(t, proxy, "page"),
    ...["polling", "websocket"].map((transport) =>
      SocketIoClient.inRoom(t, proxy, transport, "lobby", { ...socketIo, transports: [transport] })),
    SocketIoClient.inRoom(t, proxy, "both", "lobby", socketIo),
  ]);
  await others[2].upgraded();
  const tail = new Rejoin(t, "tail", proxy.http, "-r", "lobby", "--sse", "--token", "tail", "--ca", proxy.ca, "--json", "--history", "1");
  const hears = (content) =>
    tail.line((line) => JSON.parse(line).content === content, `"${content}" in the feed`);
  page.say({ type: "send_message", roomId: "lobby", content: "is the feed there?" });
  await hears("is the feed there?");
  const listeners = [
    (content) => page.said(content),
    (content) => pipe.event((event) => event.content === content, `"${content}"`),
    hears,
    ...others.map((client) => (content) => client.said(content)),
  ];
  const speakers = {
    "from the page": (content) => page.say({ type: "send_message", roomId: "lobby", content }),
    "from the pipe": (content) => pipe.send("lobby", content, "1"),
    "by polling": (content) => others[0].send("lobby", content),
    "by WebSocket": (content) => others[1].send("lobby", content),
    "by one and the other": (content) => others[2].send("lobby", content),
  };
  for (const [content, say] of Object.entries(speakers)) {
    say(content);
    for (const hears of listeners) await hears(content);
  }
}

const PROXIES = { nginx: Nginx, haproxy: Haproxy, Caddy, Apache };

describe("our server behind a proxy", { concurrency: 2 }, () => {
  for (const [name, Proxy] of Object.entries(PROXIES)) {
    it(`talks to everybody through ${name} as the manual sets it up`, async (t) => {
      const server = await start(t);
      await everybodyTalks(t, await Proxy.start(t, server.port));
    });
  }

  for (const [name, Proxy] of Object.entries(PROXIES)) {
    it(`talks to everybody through ${name} under a path`, async (t) => {
      const server = await start(t);
      await everybodyTalks(t, await Proxy.start(t, server.port, { path: true }));
    });
  }

  for (const [name, Proxy] of Object.entries({ nginx: Nginx, haproxy: Haproxy, Caddy })) {
    it(`serves a feed over HTTP/2 through ${name}`, async (t) => {
      const server = await start(t);
      const proxy = await Proxy.start(t, server.port);
      const page = await pageInLobby(t, proxy, "page");
      const feed = await opened(t, proxy);
      await feed.until((line) => line.includes("page is here"), "the message of before");
      page.say({ type: "send_message", roomId: "lobby", content: "now" });
      await feed.until((line) => line.includes('"now"'), "the message of now");
    });
  }
});

describe("two servers behind a proxy with the manual's stickiness", { concurrency: 2 }, () => {
  for (const [name, Proxy] of Object.entries(PROXIES)) {
    it(`keep a session that polls, through ${name}`, async (t) => {
      const [one, two] = await Promise.all([start(t), start(t)]);
      const proxy = await Proxy.start(t, one.port, { other: two.port });
      const options = { ca: readFileSync(proxy.ca), transports: ["polling"], withCredentials: true };
      // Several, so that both servers have some.
      const clients = await Promise.all(
        ["ada", "bob", "eve", "joe"].map((user) => SocketIoClient.inRoom(t, proxy, user, user, options)));
      for (const [n, client] of clients.entries()) {
        for (const content of [`${n} first`, `${n} second`]) {
          client.send(["ada", "bob", "eve", "joe"][n], content);
          await client.said(content);
        }
      }
    });
  }
});

// What its documentation gives for WebSockets; for Host it has nothing, so nginx sends the upstream's name.
const DOCUMENTED = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

describe("what a proxy writes and holds back", { concurrency: 2 }, () => {
  for (const [name, Proxy] of Object.entries(PROXIES)) {
    it(`is no token, with the log that the manual gives for ${name}`, async (t) => {
      const server = await start(t);
      const proxy = await Proxy.start(t, server.port, { log: true });
      const page = await pageInLobby(t, proxy, "s3cr3t");
      page.leave();
      const log = await proxy.logged(name === "Caddy" ? /"uri":"\/ws"/ : /GET \/ws HTTP\/1\.1"? 101/);
      assert.doesNotMatch(log, /s3cr3t/);
    });
  }

  it("is no event of a feed, where haproxy compresses what may be compressed", async (t) => {
    const server = await start(t);
    const compress = "    compression algo gzip\n    compression type text/event-stream";
    const proxy = await Haproxy.start(t, server.port, { frontend: compress });
    const page = await pageInLobby(t, proxy, "page");
    const feed = await opened(t, proxy, { "accept-encoding": "gzip" });
    await feed.until((line) => line.includes("page is here"), "the message of before");
    for (const content of ["the first", "the last"]) {
      page.say({ type: "send_message", roomId: "lobby", content });
      await feed.until((line) => line.includes(`"${content}"`), `"${content}"`);
    }
  });
});

describe("our server behind nginx with other lines than the manual's", { concurrency: 2 }, () => {
  it("takes a page whose host only X-Forwarded-Host names, and of no other host", async (t) => {
    const server = await start(t);
    const lines = `${DOCUMENTED} proxy_set_header X-Forwarded-Host $http_host;`;
    const proxy = await Nginx.plain(t, server.port, lines);
    for (const path of ["/ws?token=page", "/socket.io/?EIO=4&transport=websocket"]) {
      const open = (origin) => answer(`${proxy.http}${path}`, { ...UPGRADE, origin });
      assert.equal((await open(proxy.origin)).status, 101, path);
      assert.equal((await open("http://evil.example")).status, 403, path);
    }
  });

  it("tells a page and the log which headers do not fit where no header names the host", async (t) => {
    const server = await start(t);
    const proxy = await Nginx.plain(t, server.port, DOCUMENTED);
    const { status, body } = await answer(`${proxy.http}/ws?token=page`, { ...UPGRADE, origin: proxy.origin });
    assert.equal(status, 403);
    for (const name of ["Origin", "Host", "X-Forwarded-Host"]) assert.match(body, new RegExp(`\\b${name}\\b`));
    // By the signal that lets it write its log to the end.
    server.kill("SIGTERM");
    await server.exited();
    assert.match(server.stderr, new RegExp(`INFO.*${proxy.origin}.*rejoin`));
  });

  for (const [what, lines] of [
    ["its defaults, which are HTTP/1.0", ""],
    ["the headers of an upgrade over HTTP/1.0", DOCUMENTED.replace("proxy_http_version 1.1; ", "")],
    ["HTTP/1.1 and no headers of an upgrade", "proxy_http_version 1.1;"],
  ]) {
    it(`answers 426 with what to set to ${what}`, async (t) => {
      const server = await start(t);
      const proxy = await Nginx.plain(t, server.port, lines);
      const { status, body } = await answer(`${proxy.http}/ws?token=page`, UPGRADE);
      assert.equal(status, 426);
      assert.match(body, what.startsWith("HTTP/1.1") ? /proxy_set_header Upgrade/ : /proxy_http_version 1\.1;/);
    });
  }
});

const CLIENTS = 20;
const SENDS = 20;

/** So many pipes in the lobby, all knowing it, and what the checker has to know of them. */
async function crowd(t, proxy) {
  const names = Array.from({ length: CLIENTS }, (_, n) => `u${n}`);
  const pipes = await Promise.all(names.map((name) => pipeInLobby(t, proxy, name)));
  const accounts = Object.fromEntries(names.map((name) => [name, []]));
  const reconnected = pipes.map(() => false);
  let sends = 0;
  /** Ends when as many sends are decided. */
  const say = async (n, contents) => {
    const undecided = new Set();
    for (const content of contents) {
      const ref = `${sends++}`;
      undecided.add(ref);
      accounts[names[n]].push({ type: "sent", send: Number(ref), content });
      pipes[n].send("lobby", content, ref);
    }
    const decides = ({ type, ref, state }) => {
      reconnected[n] ||= state === "reconnecting";
      return type === "delivery" && undecided.delete(ref) && undecided.size === 0;
    };
    await pipes[n].event(decides, `what became of ${names[n]}'s sends`);
  };
  /** Everybody talks until each has had to reconnect, and once more; gives how many messages that were. */
  const chatter = async () => {
    let rounds = 0;
    for (let more = true; more; rounds++) {
      more = !reconnected.every(Boolean);
      const contents = (name) => Array.from({ length: SENDS }, (_, k) => `${name}:${rounds}:${k}`);
      await Promise.all(names.map((name, n) => say(n, contents(name))));
    }
    return rounds * CLIENTS * SENDS;
  };
  /** The last word is heard by everybody; then the checker judges what all were told. Gives how many messages. */
  const judged = async (options) => {
    await say(0, ["farewell"]);
    for (const pipe of pipes) {
      const last = ({ content }) => content === "farewell";
      if (!pipe.events.some(last)) await pipe.event(last, "the farewell");
    }
    for (const [n, pipe] of pipes.entries()) accounts[names[n]].push(...pipe.events.map(told).filter(Boolean));
    const checker = await FaultProxy.start(t, 9, 1);
    return (await checker.judge(accounts, options)).messages;
  };
  return { chatter, judged };
}

/** An event of `pipe` as the checker has it. */
function told(event) {
  switch (event.type) {
    case "message":
      return { ...event, user: event.userId };
    case "delivery":
      return { ...event, type: "outcome", send: Number(event.ref) };
    case "gap":
      return event.roomId === "lobby" ? event : undefined;
    default:
      return undefined;
  }
}

describe("twenty clients behind a proxy", () => {
  for (const [name, Proxy, options] of [
    ["nginx", Nginx, { main: "worker_shutdown_timeout 1s;" }],
    ["haproxy", Haproxy, { reloads: true }],
  ]) {
    it(`lose and repeat nothing while ${name} reloads its configuration and ends what was before`, async (t) => {
      const server = await start(t, "--history", "20000");
      const proxy = await Proxy.start(t, server.port, options);
      const { chatter, judged } = await crowd(t, proxy);
      const talking = chatter();
      proxy.reload();
      const messages = await talking;
      assert.equal(await judged(), messages + 1);
    });
  }

  for (const [name, Proxy] of Object.entries({ nginx: Nginx, haproxy: Haproxy })) {
    it(`know what became of every send when the server behind ${name} is killed and started again`, async (t) => {
      const first = await start(t, "--history", "20000");
      const proxy = await Proxy.start(t, first.port);
      const { chatter, judged } = await crowd(t, proxy);
      const watcher = await pipeInLobby(t, proxy, "watcher");
      const talking = chatter();
      await watcher.event(({ content }) => content === `u0:0:${SENDS - 1}`, "a message in the middle");
      first.kill("SIGKILL");
      await first.exited();
      await RejoinServer.start(t, "--listen", `127.0.0.1:${first.port}`, ...TRUSTING, "--history", "20000");
      await talking;
      assert.ok((await judged({ lostMemory: true })) > CLIENTS * SENDS);
    });
  }
});
