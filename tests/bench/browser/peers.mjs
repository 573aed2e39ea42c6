// The contenders: the page of each, in the same shape, and the server that it talks to. What is measured is in main.mjs.
//
// A page has `window.peer` with three functions: `start(url)` connects, joins the room, sends a message and resolves when
// that message has come back; `receive(count)` resolves when so many messages of others have come; `send(count)` resolves
// when so many sends are acknowledged. Every server gives a message to the whole room, its sender included.

import { once } from "node:events";
import { createServer } from "node:http";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";
import { Rejoin, RejoinServer } from "../../interop/processes.mjs";

const ROOM = "lobby";
/** Sends that a page has under way at once. */
const WINDOW = 500;
/** Messages that a server writes before others get their turn. */
const BATCH = 100;

const content = "x".repeat(64);
const message = (number, text = content) => ({
  id: `m${number}`, roomId: ROOM, user: "flood", content: text, timestamp: "2026-01-01T00:00:00Z",
});

/** The same in each page: `sending(text)` resolves with the acknowledgement, `arrived(text)` is called per message. */
const common = `
  let wanted = 0, complete, first;
  const arrived = (text) => {
    if (first && text === "first") first();
    if (wanted && text === ${JSON.stringify(content)} && --wanted === 0) complete();
  };
  const peer = (open, sending) => {
    window.peer = {
      async start(url) {
        const back = new Promise((resolve) => (first = resolve));
        await open(url);
        await Promise.all([sending("first"), back]);
      },
      receive: (count) => new Promise((resolve) => { wanted = count; complete = resolve; }),
      async send(count) {
        for (let sent = 0; sent < count; sent += ${WINDOW}) {
          await Promise.all(Array.from({ length: Math.min(${WINDOW}, count - sent) }, () => sending("own ${"x".repeat(60)}")));
        }
      },
    };
    window.peer.start(decodeURIComponent(location.hash.slice(1))).then(
      () => (window.first = performance.now()),
      (error) => (window.failed = String(error)),
    );
  };`;

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

/** A server of WebSockets, which ends with the round. */
async function webSockets(t) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.after(() => (server.clients.forEach((socket) => socket.terminate()), server.close()));
  await once(server, "listening");
  return { server, url: `ws://127.0.0.1:${server.address().port}` };
}

/** Calls `write` so many times, in batches. */
async function flood(count, write) {
  for (let sent = 0; sent < count; ) {
    for (const end = Math.min(sent + BATCH, count); sent < end; sent++) write(sent);
    await new Promise(setImmediate);
  }
}

const rejoinPage = `
  import { connect } from "rejoin";
  ${common}
  let client;
  peer(async (url) => {
    client = await connect(url, { token: "page", rooms: [${JSON.stringify(ROOM)}] });
    client.on("message", ({ content }) => arrived(content));
  }, (text) => client.send(${JSON.stringify(ROOM)}, text));`;

async function rejoinServer(t) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", "--history", "1", "--rate", "none");
  return {
    url: server.url,
    async flood(count) {
      const pipe = new Rejoin(t, "pipe", server.url, "--token", "flood", "--room", ROOM);
      await pipe.line((line) => line.includes('"joined"'), "the room");
      const text = JSON.stringify({ type: "send_message", roomId: ROOM, content });
      pipe.write(`${text}\n`.repeat(count));
      pipe.endInput();
      await pipe.exited();
    },
  };
}

const socketIoPage = `
  import { io } from "socket.io-client";
  ${common}
  let socket;
  peer(async (url) => {
    socket = io(url, { transports: ["websocket"], auth: { token: "page" } });
    socket.on("message", ({ content }) => arrived(content));
    await new Promise((resolve) => socket.on("connect", resolve));
    await socket.emitWithAck("join_room", { roomId: ${JSON.stringify(ROOM)} });
  }, (text) => socket.emitWithAck("send_message", { roomId: ${JSON.stringify(ROOM)}, content: text }));`;

async function socketIoServer(t) {
  const http = createServer();
  const io = new Server(http, { cors: { origin: "*" }, transports: ["websocket"] });
  let number = 0;
  io.on("connection", (socket) => {
    socket.on("join_room", ({ roomId }, joined) => {
      socket.join(roomId);
      joined({});
    });
    socket.on("send_message", ({ roomId, content }, ack) => {
      io.to(roomId).emit("message", message(++number, content));
      ack({ id: `m${number}` });
    });
  });
  const port = await listening(http);
  t.after(() => io.close());
  return { url: `http://127.0.0.1:${port}`, flood: (count) => flood(count, () => io.to(ROOM).emit("message", message(++number))) };
}

const centrifugePage = `
  import { Centrifuge } from "centrifuge";
  ${common}
  let subscription;
  peer(async (url) => {
    const client = new Centrifuge(url, { token: "page" });
    subscription = client.newSubscription(${JSON.stringify(ROOM)});
    subscription.on("publication", ({ data }) => arrived(data.content));
    subscription.subscribe();
    client.connect();
    await subscription.ready();
  }, (text) => subscription.publish({ content: text }));`;

/** As much of Centrifugo's protocol in JSON as this page needs, with positions, as recovery has them. */
async function centrifugeServer(t) {
  const { server, url } = await webSockets(t);
  const members = new Set();
  let offset = 0;
  const publish = (data) => {
    const text = JSON.stringify({ push: { channel: ROOM, pub: { data, offset: ++offset } } });
    for (const member of members) member.send(text);
  };
  const replies = {
    connect: () => ({ client: "c1", version: "0.0.0", ping: 25, pong: true }),
    subscribe: (_, socket) => (members.add(socket), { recoverable: true, positioned: true, epoch: "e1", offset }),
    publish: ({ data }) => (publish(message(offset + 1, data.content)), {}),
  };
  server.on("connection", (socket) => {
    socket.on("close", () => members.delete(socket));
    socket.on("message", (data) => {
      for (const line of String(data).split("\n")) {
        const { id, ...command } = JSON.parse(line);
        const [name] = Object.keys(command);
        if (name) socket.send(JSON.stringify({ id, [name]: replies[name](command[name], socket) }));
      }
    });
  });
  return { url, flood: (count) => flood(count, () => publish(message(offset + 1))) };
}

// It has no acknowledgements, no rooms: the page adds the least that makes them.
const partySocketPage = `
  import { WebSocket as ReconnectingWebSocket } from "partysocket";
  ${common}
  let socket, ref = 0;
  const waiting = new Map();
  peer(async (url) => {
    socket = new ReconnectingWebSocket(url);
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "message") return arrived(frame.content);
      waiting.get(frame.ref)?.();
      waiting.delete(frame.ref);
    });
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  }, (text) => new Promise((resolve) => {
    waiting.set(++ref, resolve);
    socket.send(JSON.stringify({ type: "send_message", ref, roomId: ${JSON.stringify(ROOM)}, content: text }));
  }));`;

async function partySocketServer(t) {
  const { server, url } = await webSockets(t);
  let number = 0;
  const all = (text) => server.clients.forEach((socket) => socket.send(text));
  const frame = (text) => JSON.stringify({ type: "message", ...message(++number, text) });
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      const { ref, content } = JSON.parse(data);
      all(frame(content));
      socket.send(JSON.stringify({ type: "ack", ref, id: `m${number}` }));
    });
  });
  return { url, flood: (count) => flood(count, () => all(frame())) };
}

/** The first is the one that the others are compared with. */
export const peers = [
  { name: "socket.io-client", page: socketIoPage, serve: socketIoServer },
  { name: "centrifuge", page: centrifugePage, serve: centrifugeServer },
  { name: "partysocket", page: partySocketPage, serve: partySocketServer },
  { name: "rejoin", page: rejoinPage, serve: rejoinServer },
  { name: "rejoin, preloaded", page: rejoinPage, serve: rejoinServer, preload: ["rejoin.wasm"] },
];
