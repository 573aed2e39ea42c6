// A room server as an ordinary Node developer writes one on `socket.io` (protocol.md §3). It shares no code with ours on
// purpose.
//
//   node socketio-server.mjs [--port N] [--tokens a,b] [--recovery] [--no-acks] [--ping INTERVAL,TIMEOUT]
//                            [--names join=say:join,…] [--numbers] [--polling] [--refuse NAMESPACE]
//                            [--adapter redis|redis-streams --redis PORT]
//
// Prints `listening on http://127.0.0.1:PORT/`, then a line per connection opened or lost, and one for what is in its `auth` object
// beside the token. Namespaces: /, /chat and /notifications.
// --tokens     only these are let in; without it every token is a user's name
// --recovery   connection state recovery
// --no-acks    handlers that never call their acks
// --names      other names for the events
// --numbers    users are numbers, messages have the milliseconds since 1970
// --polling    no WebSocket
// --refuse     a middleware lets nobody into this namespace
// --adapter    several such servers are one, by the Redis at this port
//
// Lines on stdin, each answered by a line beginning with `done`; USER is in whatever namespace:
//   drop USER · miss USER ROOM TEXT… · kick USER · say ROOM TEXT · binary ROOM HEX · volatile ROOM WORD
//   tell NAMESPACE USER EVENT JSON… · leave NAMESPACE USER · gone USER TEXT… · pictures USER HEX…
//   answer orders · notify USER KIND JSON · emit USER EVENT JSON… · ask USER · quiz USER JSON · picture USER HEX
// `tell`, `leave` and `pictures` are about one namespace, one namespace and each in turn. `gone` drops USER and says each word of
// TEXT in the lobby of each namespace that USER was in.
// `miss` drops USER and says each word of TEXT in ROOM before it can come back.
// `quiz` asks, and prints `quizzed JSON`, the list of all arguments of the answer. An event `echo` is answered with its arguments,
// or comes back as `echoed` with them if it wants no answer.
// An event `order` is printed with its arguments, and answered with them only after `answer orders`.
// A message `ack JSON…` is acked with these arguments and goes nowhere.
// The end of stdin stops the server too: it never outlives the test that started it.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { createAdapter as redisAdapter } from "@socket.io/redis-adapter";
import { createAdapter as redisStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    tokens: { type: "string" },
    recovery: { type: "boolean", default: false },
    "no-acks": { type: "boolean", default: false },
    ping: { type: "string", default: "25000,20000" },
    names: { type: "string", default: "" },
    numbers: { type: "boolean", default: false },
    polling: { type: "boolean", default: false },
    refuse: { type: "string" },
    adapter: { type: "string" },
    redis: { type: "string" },
  },
});

const tokens = flags.tokens?.split(",");
const names = Object.fromEntries(flags.names.split(",").map((pair) => pair.split("=")));
const called = (name) => names[name] ?? name;
const [pingInterval, pingTimeout] = flags.ping.split(",").map(Number);

async function redisClient() {
  const client = createClient({ url: `redis://127.0.0.1:${flags.redis}` });
  client.on("error", () => {});
  return client.connect();
}

const adapters = {
  redis: async () => redisAdapter(await redisClient(), await redisClient()),
  "redis-streams": async () => redisStreamsAdapter(await redisClient()),
};

const http = createServer();
const io = new Server(http, {
  pingInterval,
  pingTimeout,
  ...(flags.polling ? { transports: ["polling"] } : {}),
  ...(flags.recovery ? { connectionStateRecovery: {} } : {}),
  ...(flags.adapter ? { adapter: await adapters[flags.adapter]() } : {}),
});

let messages = 0;
let answersOrders = false;

function message(userId, roomId, content) {
  if (flags.numbers) return { roomId, userId: 17, content, timestamp: 1795852800123 };
  return { roomId, userId, content, timestamp: new Date().toISOString() };
}

const namespaces = ["/", "/chat", "/notifications"];

for (const namespace of namespaces.map((name) => io.of(name))) {
  namespace.use((socket, next) => {
    if (namespace.name === flags.refuse) {
      return next(Object.assign(new Error("not in here"), { data: { code: "E_HERE" } }));
    }
    const { token } = socket.handshake.auth;
    if (!token || (tokens && !tokens.includes(token))) {
      return next(Object.assign(new Error("this token is not on the list"), { data: { code: "E_TOKEN" } }));
    }
    socket.data.userId = token;
    next();
  });

  namespace.on("connection", (socket) => {
    const { userId } = socket.data;
    const acknowledge = (ack, answer) => {
      if (!flags["no-acks"]) ack?.(answer);
    };
    socket.join(`user:${userId}`);
    socket.on(called("join_room"), ({ roomId }, ack) => {
      if (roomId == "staff") return ack?.({ ok: false, code: "forbidden", message: "staff only" });
      socket.join(roomId);
      socket.to(roomId).emit(called("user_joined"), { roomId, userId });
      acknowledge(ack, { ok: true });
    });
    socket.on(called("leave_room"), ({ roomId }) => {
      socket.leave(roomId);
      console.log(`left ${userId} ${roomId}`);
    });
    socket.on(called("send_message"), ({ roomId, content }, ack) => {
      if (content.startsWith("ack ")) return ack?.(...JSON.parse(`[${content.slice("ack ".length)}]`));
      if (roomId == "staff") return acknowledge(ack, { ok: false, message: "not in room" });
      if (content === "a forbidden word") {
        return acknowledge(ack, { ok: false, code: "forbidden", message: "mind your language" });
      }
      namespace.to(roomId).emit(called("message"), message(userId, roomId, content));
      acknowledge(ack, { ok: true, id: `m${++messages}`, seq: messages });
    });
    socket.on("order", (...args) => {
      const ack = args.pop();
      console.log(`order ${JSON.stringify(args)}`);
      if (answersOrders) ack(...args);
    });
    socket.on("echo", (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      console.log(`echo ${JSON.stringify(args)}`);
      if (ack) ack(...args);
      else socket.emit("echoed", ...args);
    });
    socket.on("disconnect", (reason) => console.log(`lost ${userId} ${reason}`));
    const { token, pid, offset, ...auth } = socket.handshake.auth;
    if (Object.keys(auth).length) console.log(`auth ${userId} ${namespace.name} ${JSON.stringify(auth)}`);
    const query = Object.keys(socket.handshake.query).sort().join();
    const header = socket.handshake.headers.authorization ? "header" : "no header";
    console.log(`opened ${userId} ${namespace.name} ${query} ${header}${socket.recovered ? " recovered" : ""}`);
  });
}

const sockets = (userId) =>
  namespaces.flatMap((name) => [...io.of(name).sockets.values()]).filter(({ data }) => data.userId === userId);
const say = (room, text) => io.to(room).emit(called("message"), message("server", room, text));
function drop({ conn: { transport } }) {
  if (transport.name === "websocket") transport.socket.terminate();
  else transport.onError("dropped");
}

const commands = {
  answer: () => (answersOrders = true),
  drop: (user) => sockets(user).forEach(drop),
  miss: (user, room, ...texts) =>
    sockets(user).forEach((socket) => {
      socket.on("disconnect", () => texts.forEach((text) => say(room, text)));
      drop(socket);
    }),
  kick: (user) => sockets(user).forEach((socket) => socket.disconnect()),
  tell: (namespace, user, event, ...json) =>
    io.of(namespace).to(`user:${user}`).emit(event, ...json.map((json) => JSON.parse(json))),
  leave: (namespace, user) =>
    sockets(user).filter(({ nsp }) => nsp.name === namespace).forEach((socket) => socket.disconnect()),
  gone: (user, ...texts) => {
    const all = sockets(user);
    for (const { nsp } of all) {
      // Behind all that is done with its end.
      const say = () => texts.forEach((text) => nsp.to("lobby").emit("message", message("server", "lobby", text)));
      all[0].conn.on("close", () => setImmediate(say));
    }
    drop(all[0]);
    return new Promise((resolve) => all[0].conn.on("close", () => setImmediate(() => setImmediate(resolve))));
  },
  pictures: (user, ...hexes) => {
    for (const hex of hexes) {
      for (const { nsp } of sockets(user)) {
        nsp.to(`user:${user}`).emit("picture", { of: Buffer.from(hex, "hex") }, Buffer.from(hex, "hex"));
      }
    }
  },
  say,
  binary: (room, hex) => io.to(room).emit(called("message"), message("server", room, Buffer.from(hex, "hex"))),
  volatile: (room, word) =>
    io.to(room).volatile.emit(called("message"), message("server", room, `volatile ${word}`), word),
  notify: (user, kind, json) => io.to(`user:${user}`).emit("notification", { kind, data: JSON.parse(json) }),
  emit: (user, event, ...json) => io.to(`user:${user}`).emit(event, ...json.map((json) => JSON.parse(json))),
  quiz: async (user, json) => {
    for (const socket of sockets(user)) {
      const answer = await new Promise((resolve) => socket.emit("quiz", JSON.parse(json), (...args) => resolve(args)));
      console.log(`quizzed ${JSON.stringify(answer)}`);
    }
  },
  picture: (user, hex) => io.to(`user:${user}`).emit("picture", { of: Buffer.from(hex, "hex") }, "x"),
  ask: async (user) => {
    for (const socket of sockets(user)) await socket.timeout(20_000).emitWithAck("are you there?", {});
  },
};

const control = createInterface({ input: process.stdin });
control.on("line", async (line) => {
  const [name, ...words] = line.trim().split(/\s+/);
  await commands[name](...words);
  console.log(`done ${line}`);
});
control.on("close", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));

http.listen(Number(flags.port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}/`);
});
