// Two servers and one Redis: how fast what is said in a room comes to the last of its members, and what that costs the servers
// and Redis. Ours beside Node servers on `socket.io` with its two adapters for Redis, all over Socket.IO and a WebSocket.
//
//   tests/run bench nodes [MEMBERS [SECONDS]]
//
// The members' process is Node too and shares the machine: messages in a second say less than messages for a second of CPU
// time of the servers and Redis, which is what the ratio compares.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";

const [members, seconds] = [Number(process.argv[2] ?? 1_000), Number(process.argv[3] ?? 8)];
/** Messages on their way to their last member. */
const WINDOW = 8;
/** Messages in a second where the delay is measured: slow enough for each contender. */
const PACE = 10;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
/** A system's clock ticks are hundredths. */
const TICK_MS = 10;

const children = [];
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a program and waits for a line; gives its process and the line. */
function start(command, args, matches) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
  children.push(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => matches.test(line) && resolve({ child, line }));
  });
}

async function startRedis() {
  const port = await freePort();
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()];
  return { port, ...(await start("redis-server", args, /Ready to accept connections/)) };
}

/** Whole milliseconds of CPU time that a process has used. */
function cpu({ child }) {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ").pop().split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const LISTENING = /^listening on \w+:\/\/127\.0\.0\.1:(\d+)\//;
const OURS = "ours, Socket.IO";
const PLAIN = "ours, plain WebSocket";
const contenders = {
  [OURS]: (redis) => {
    const args = ["--listen", "127.0.0.1:0", "--redis", `redis://127.0.0.1:${redis.port}`, "--rate", "none"];
    // All members come from one address.
    const limits = ["--address-rate", "none", "--address-handshakes", "none", "--address-sessions", "none"];
    return start(process.env.REJOIN_SERVER_BIN, [...args, ...limits], LISTENING);
  },
  [PLAIN]: (redis) => contenders[OURS](redis),
  "socket.io, Redis adapter": (redis) => node(redis, "redis"),
  "socket.io, Redis Streams adapter": (redis) => node(redis, "redis-streams"),
};

function node(redis, adapter) {
  const script = fileURLToPath(new URL("../socketio-server.mjs", import.meta.url));
  return start(process.execPath, [script, "--adapter", adapter, "--redis", `${redis.port}`], LISTENING);
}

/** A member: it counts what it hears. */
function member(port, user, heard) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${user} is thrown out`)));
    socket.on("message", (data) => {
      const text = data.toString();
      if (text[0] === "0") socket.send(`40{"token":"${user}"}`);
      else if (text[0] === "2") socket.send("3");
      else if (text.startsWith("40")) socket.send('420["join_room",{"roomId":"bench"}]');
      else if (text.startsWith("430")) resolve(socket);
      else if (text.startsWith('42["message"')) {
        const at = text.indexOf("#");
        if (at > 0) heard(parseInt(text.slice(at + 1), 10));
      }
    });
  });
}

/** The same in the plain protocol. */
function plainMember(port, user, heard) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${user}`, { perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${user} is thrown out`)));
    // Nobody is told of an own join: what is said behind it comes back.
    socket.on("open", () => {
      socket.send('{"type":"join_room","roomId":"bench"}');
      socket.send(`{"type":"send_message","roomId":"bench","content":"${user} is here"}`);
    });
    socket.on("message", (data) => {
      const text = data.toString();
      if (!text.startsWith('{"type":"message"')) return;
      const at = text.indexOf("#");
      if (at > 0) heard(parseInt(text.slice(at + 1), 10));
      else if (text.includes(`"${user} is here"`)) resolve(socket);
    });
  });
}

/** Says messages, `WINDOW` at a time or `PACE` in a second, for so long. */
async function say(speaker, state, isPlain, isPaced) {
  const begun = performance.now();
  const end = begun + seconds * 1_000;
  state.delays.length = 0;
  let said = 0;
  const next = () => {
    state.begun.set(++state.last, { at: performance.now(), left: members });
    said++;
    const fields = `"roomId":"bench","content":"#${state.last}"`;
    speaker.send(isPlain ? `{"type":"send_message",${fields}}` : `42["send_message",{${fields}}]`);
  };
  await new Promise((resolve) => {
    state.done = () => {
      if (!isPaced && performance.now() < end) next();
      else if (state.begun.size === 0 && performance.now() >= end) resolve();
    };
    if (!isPaced) for (let window = 0; window < WINDOW; window++) next();
    else {
      const timer = setInterval(() => {
        if (performance.now() < end) return next();
        clearInterval(timer);
        state.done();
      }, 1_000 / PACE);
    }
  });
  return { said, took: (performance.now() - begun) / 1_000 };
}

async function measure(name) {
  const redis = await startRedis();
  const servers = [await contenders[name](redis), await contenders[name](redis)];
  const ports = servers.map(({ line }) => LISTENING.exec(line)[1]);
  const state = { last: 0, begun: new Map(), delays: [], done: () => {} };
  const heard = (number) => {
    const message = state.begun.get(number);
    if (!message) return;
    state.delays.push(performance.now() - message.at);
    if (--message.left > 0) return;
    state.begun.delete(number);
    state.done();
  };
  const [isPlain, sockets] = [name === PLAIN, []];
  const join = isPlain ? plainMember : member;
  for (let at = 0; at < members; at += 50) {
    const some = Array.from({ length: Math.min(50, members - at) }, (_, n) => join(ports[(at + n) % 2], `m${at + n}`, heard));
    sockets.push(...(await Promise.all(some)));
  }
  // Who came last is told to all others first.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const used = () => ({ nodes: servers.reduce((sum, server) => sum + cpu(server), 0), redis: cpu(redis) });
  const before = used();
  const { said, took } = await say(sockets[0], state, isPlain, false);
  const after = used();
  const [nodes, store] = [after.nodes - before.nodes, after.redis - before.redis];
  const paced = await say(sockets[0], state, isPlain, true);
  state.delays.sort((one, other) => one - other);
  const p99 = state.delays[Math.floor(state.delays.length * 0.99)];
  for (const socket of sockets) socket.removeAllListeners("close").terminate();
  for (const { child } of [...servers, redis]) child.removeAllListeners("exit").kill("SIGKILL");
  return { rate: said / took, nodes: nodes / took / 10, redis: store / took / 10, perCpu: (said * 1_000) / (nodes + store), p99, paced };
}

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
const results = {};
for (let round = 0; round < ROUNDS; round++) {
  for (const name of Object.keys(contenders)) (results[name] ??= []).push(await measure(name));
}
console.log(`two servers, one Redis, ${members} members in one room, ${ROUNDS} rounds of ${seconds} s, medians`);
console.log(`${"".padEnd(34)}${"messages/s".padStart(12)}${"CPU nodes".padStart(11)}${"CPU Redis".padStart(11)}${"messages per CPU s".padStart(20)}${`p99 at ${PACE}/s`.padStart(14)}`);
const of = (name, field) => median(results[name].map((result) => result[field]));
for (const name of Object.keys(contenders)) {
  const percent = (field) => `${of(name, field).toFixed(0)} %`.padStart(11);
  console.log(`${name.padEnd(34)}${of(name, "rate").toFixed(0).padStart(12)}${percent("nodes")}${percent("redis")}${of(name, "perCpu").toFixed(0).padStart(20)}${`${of(name, "p99").toFixed(1)} ms`.padStart(14)}`);
}
const peers = Object.keys(contenders).filter((name) => !name.startsWith("ours"));
const best = Math.max(...peers.map((name) => of(name, "perCpu")));
for (const name of [OURS, PLAIN]) {
  console.log(`${name} to the better of theirs, at the same CPU: ${(of(name, "perCpu") / best).toFixed(1)}`);
}
process.exit(0);
