// The package in the runtime of Cloudflare's Workers itself, which the condition `workerd` is for: a Worker talks to the
// server in each of the package's three ways.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { build } from "esbuild";
import workerd from "workerd";
import { inTime } from "../interop/journal.mjs";
import { RejoinServer } from "../interop/processes.mjs";
import { project } from "./package.mjs";

/** What a request asks the Worker to do: it answers when it has sent something and heard it, and closes before. */
const WORKER = `
import { connect } from "rejoin";
import { connect as socketio } from "rejoin/socketio";
import { follow } from "rejoin/sse";
import { webSocketOrEvents } from "rejoin/fallback";

async function talks(client) {
  const heard = new Promise((resolve) => client.on("message", ({ user, content }) => content === "hi" && resolve(user)));
  const { status } = await client.send("lobby", "hi");
  const said = { status, heard: await heard };
  await client.close();
  return said;
}

async function reads(feed, ...room) {
  for await (const event of feed.messages(...room)) {
    if (event.content !== "hi") continue;
    await feed.close();
    return { heard: event.user };
  }
}

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const server = url.searchParams.get("server");
    const answered = (said) => said.then((said) => Response.json(said), (error) => new Response(error.stack, { status: 500 }));
    const options = { token: url.pathname.slice(1), rooms: ["lobby"] };
    switch (url.pathname) {
      case "/websocket": return answered(connect(\`ws://\${server}/ws\`, options).then(talks));
      case "/polling": return answered(socketio(\`http://\${server}\`, { ...options, transports: "polling" }).then(talks));
      case "/socketio": return answered(socketio(\`http://\${server}\`, options).then(talks));
      case "/streams": return answered(connect(\`ws://\${server}/ws\`, { token: "streams", webSocket: webSocketOrEvents({ transports: "sse" }), rooms: [{ room: "lobby", history: 1 }] }).then((client) => reads(client, "lobby")));
      case "/sse": return answered(follow(\`http://\${server}\`, { token: "sse", room: "lobby", history: 1 }).then(reads));
    }
  },
};`;

/** Starts the Worker; gives where it listens. */
async function serving(t) {
  const root = project(t, { "worker.js": WORKER });
  const out = join(root, "out");
  await build({
    absWorkingDir: root, entryPoints: ["worker.js"], bundle: true, format: "esm", outdir: out, logLevel: "silent",
    conditions: ["workerd", "worker", "browser"], loader: { ".wasm": "copy" }, assetNames: "[name]",
  });
  const modules = readdirSync(out).filter((name) => name.endsWith(".wasm"));
  assert.equal(modules.length, 3, modules.join());
  const embedded = modules.map((name) => `(name = "${name}", wasm = embed "${name}")`);
  writeFileSync(join(out, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "net", network = (allow = ["private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js"), ${embedded.join(", ")}],
  compatibilityDate = "2026-01-01",
  globalOutbound = "net",
);`);
  const child = spawn(workerd.default, ["serve", "--control-fd=3", "config.capnp"], { cwd: out, stdio: ["ignore", "inherit", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (data) => (stderr += data));
  const listens = new Promise((resolve, reject) => {
    createInterface({ input: child.stdio[3] }).on("line", (line) => {
      const { event, port } = JSON.parse(line);
      if (event === "listen") resolve(port);
    });
    once(child, "close").then(() => reject(new Error(`workerd has ended: ${stderr}`)));
  });
  return `http://127.0.0.1:${await inTime(listens, "the Worker")}`;
}

test("a Worker sends and receives by WebSocket, by Socket.IO on each of its transports and by server-sent events, also as a fallback", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const worker = await serving(t);
  const ask = async (way) => {
    const answer = await inTime(fetch(`${worker}/${way}?server=127.0.0.1:${server.port}`), `the Worker's answer by ${way}`);
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  };
  assert.deepEqual(await ask("websocket"), { status: "acked", heard: "websocket" });
  assert.deepEqual(await ask("socketio"), { status: "answered", heard: "socketio" });
  assert.deepEqual(await ask("polling"), { status: "answered", heard: "polling" });
  assert.deepEqual(await ask("sse"), { heard: "polling" });
  assert.deepEqual(await ask("streams"), { heard: "polling" });
});
