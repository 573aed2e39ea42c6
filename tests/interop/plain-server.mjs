// A room server for the base contract (protocol.md §1), as an ordinary Node developer writes one on `ws`.
// It shares no code with ours on purpose.
//
//   node plain-server.mjs [--port N] [--heartbeat MS] [--tokens a,b] [--no-leave] [--strict-unknown-frames]
//                         [--query-only] [--wrong MODE]
//
// Prints `listening on ws://127.0.0.1:PORT/`, then a line per connection opened or lost.
// --tokens                  only these are let in; without it every token is a user's name
// --query-only              the token is read in the URL only, as the base contract's own server does
// --no-leave                a server from before leave_room existed
// --strict-unknown-frames   notes every frame that is not exactly of the base contract; SIGTERM then prints
//                           `report {"frames":n,"unknown":[…]}` and exits with 1 if there was one
// --wrong MODE              breaks the contract in one way, to prove that the strict client notices
//
// Lines on stdin, each answered by a line beginning with `done`; USER narrows it to that user's connections:
//   close CODE [USER] · drop [USER] · garbage · unknown · freeze · thaw · stop
// The end of stdin stops the server too: it never outlives the test that started it.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { WebSocket, WebSocketServer } from "ws";
import { wrongDelivery } from "./wrong-delivery.mjs";

const { values: flags } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    heartbeat: { type: "string", default: "30000" },
    tokens: { type: "string" },
    "query-only": { type: "boolean", default: false },
    "no-leave": { type: "boolean", default: false },
    "strict-unknown-frames": { type: "boolean", default: false },
    wrong: { type: "string" },
  },
});

const tokens = flags.tokens?.split(",");
const rooms = new Map(); // room id → Set of sockets
const report = { frames: 0, unknown: [] };
let frozen = false;
const unanswered = []; // upgrades that came while frozen

const deliver = (ws, frame) => ws.send(JSON.stringify(frame));
const send = flags.wrong ? wrongDelivery(flags.wrong, deliver) : deliver;

const BASE_FIELDS = {
  join_room: ["roomId"],
  leave_room: ["roomId"],
  send_message: ["content", "roomId"],
};

function isBaseFrame({ type, ...fields }) {
  const expected = Object.hasOwn(BASE_FIELDS, type) ? BASE_FIELDS[type] : null;
  return (
    expected?.join() === Object.keys(fields).sort().join() &&
    Object.values(fields).every((value) => typeof value === "string")
  );
}

const wss = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(flags.port),
  verifyClient: (_, accept) => (frozen ? unanswered.push(accept) : accept(true)),
});

wss.on("listening", () => console.log(`listening on ws://127.0.0.1:${wss.address().port}/`));

wss.on("connection", (ws, req) => {
  const query = new URL(req.url, "http://localhost").searchParams.get("token");
  const bearer = flags["query-only"] ? undefined : req.headers.authorization?.match(/^Bearer (.+)$/i)?.[1];
  const token = query ?? bearer;
  if (!token || (tokens && !tokens.includes(token))) {
    ws.close(4001, "Unauthorized");
    console.log("refused");
    return;
  }
  ws.userId = token;
  ws.isAlive = true;
  ws.on("pong", () => (ws.isAlive = true));
  ws.on("error", () => {});
  ws.on("message", (data, isBinary) => receive(ws, data, isBinary));
  ws.on("close", () => {
    for (const members of rooms.values()) members.delete(ws);
    console.log(`lost ${ws.userId}`);
  });
  console.log(`opened ${ws.userId} ${query ? "query" : "header"}`);
});

function receive(ws, data, isBinary) {
  let frame;
  try {
    frame = JSON.parse(data);
  } catch {
    report.frames++;
    report.unknown.push(`not JSON: ${data}`);
    send(ws, { type: "error", message: "Invalid JSON" });
    return;
  }
  report.frames++;
  if (isBinary || !isBaseFrame(frame ?? {})) report.unknown.push(frame);
  switch (frame?.type) {
    case "join_room": {
      if (!rooms.has(frame.roomId)) rooms.set(frame.roomId, new Set());
      const members = rooms.get(frame.roomId);
      if (members.has(ws)) return;
      members.add(ws);
      for (const member of members) {
        if (member !== ws) send(member, { type: "user_joined", roomId: frame.roomId, userId: ws.userId });
      }
      break;
    }
    case "leave_room":
      if (!flags["no-leave"]) rooms.get(frame.roomId)?.delete(ws);
      break;
    case "send_message": {
      const message = {
        type: "message",
        roomId: frame.roomId,
        userId: ws.userId,
        content: frame.content,
        timestamp: new Date().toISOString(),
      };
      for (const member of rooms.get(frame.roomId) ?? []) send(member, message, ws);
      break;
    }
  }
}

setInterval(() => {
  if (frozen) return;
  for (const ws of wss.clients) {
    if (!ws.isAlive) {
      ws.terminate();
      continue;
    }
    ws.isAlive = false;
    ws.ping();
  }
}, Number(flags.heartbeat));

const GARBAGE = [
  "this is not JSON",
  '{"type":',
  "[1,2,3]",
  "null",
  '{"no":"type"}',
  '{"type":17}',
  '{"type":"message","roomId":[7],"userId":"mallory","content":"a room that is a list","timestamp":"x"}',
  '{"type":"message","roomId":"lobby","userId":"mallory"}',
];

const UNKNOWN = [
  '{"type":"typing","roomId":"lobby","userId":"mallory"}',
  '{"type":"constructor"}',
  '{"type":"user_joined","roomId":"lobby","userId":"newcomer","avatar":{"url":null},"roles":["guest"]}',
  '{"priority":1,"content":"fields nobody knows","userId":"newcomer","type":"message","roomId":"lobby","timestamp":"2026-01-02T03:04:05.678Z","thread":null}',
];

const commands = {
  close: (of, code) => of.forEach((ws) => ws.close(Number(code))),
  drop: (of) => of.forEach((ws) => ws.terminate()),
  garbage: (of) => of.forEach((ws) => GARBAGE.forEach((text) => ws.send(text))),
  unknown: (of) => of.forEach((ws) => UNKNOWN.forEach((text) => ws.send(text))),
  // As a stopped process looks from outside: connections are accepted by the kernel, nothing answers.
  freeze: (of) => {
    frozen = true;
    of.forEach((ws) => ws.pause());
  },
  thaw: (of) => {
    frozen = false;
    of.forEach((ws) => ws.resume());
    for (const accept of unanswered.splice(0)) accept(true);
  },
  stop: () => {
    console.log("done stop");
    stop(0);
  },
};

const control = createInterface({ input: process.stdin });
control.on("line", (line) => {
  const [name, ...words] = line.trim().split(/\s+/);
  const code = name === "close" ? words.shift() : undefined;
  const of = [...wss.clients].filter((ws) => ws.readyState === WebSocket.OPEN && (!words[0] || ws.userId === words[0]));
  if (Object.hasOwn(commands, name)) {
    commands[name](of, code);
    console.log(`done ${line}`);
  } else {
    console.log(`unknown command ${line}`);
  }
});
control.on("close", () => stop(0));

function stop(status) {
  for (const ws of wss.clients) ws.terminate();
  process.exit(status);
}

process.on("SIGTERM", () => {
  if (!flags["strict-unknown-frames"]) stop(0);
  console.log(`report ${JSON.stringify(report)}`);
  stop(report.unknown.length === 0 ? 0 : 1);
});
