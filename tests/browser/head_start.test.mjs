// The first socket is opened while the machine's module is under way: what comes on it is not lost, it is dialled once,
// and what nobody takes is closed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { RejoinServer } from "../interop/processes.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

/** A page whose module does not come before `release` is called; with `fail` it never does. */
async function held(t, options) {
  const chromium = await browser(t);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await chromium.route("**/*.wasm", async (route) => {
    const fate = await released;
    if (fate == "fail") await route.abort();
    else await route.continue();
  });
  return { tab: await Tab.open(t, chromium, await pages(t), options), release };
}

/** A server of frames that notes what becomes of each connection. */
async function watched(t) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  t.after(() => (server.clients.forEach((socket) => socket.terminate()), server.close()));
  await once(server, "listening");
  return { server, url: `ws://127.0.0.1:${server.address().port}/ws` };
}

test("the socket is open before the module is there, and is the only one", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const proxy = await Proxy.start(t, server.port);
  const { tab, release } = await held(t);
  const dialled = tab.page.waitForEvent("websocket");
  const started = tab.start("a", proxy.url, { token: "alice", rooms: ["lobby"] });
  // The server writes at once: its first frame is here before the machine is.
  await (await dialled).waitForEvent("framereceived");
  assert.equal(proxy.accepted, 1);
  release();
  await started;
  await tab.heard("a", "ready");
  const receipt = await tab.ask("a", "send", "lobby", "hello");
  assert.equal(receipt.status, "acked");
  assert.deepEqual([await tab.page.evaluate(() => window.clients.a.mode), proxy.accepted], ["extended", 1]);
  await tab.ask("a", "close");
});

test("an application that listens as soon as it has its client is told everything", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const { tab, release } = await held(t);
  const dialled = tab.page.waitForEvent("websocket");
  // Without rooms the first frame makes it ready.
  const started = tab.start("a", server.url, { token: "alice" });
  await (await dialled).waitForEvent("framereceived");
  release();
  await started;
  await tab.heard("a", "ready");
});

test("a token that is refused before the module is there is told as always", async (t) => {
  const { server, url } = await watched(t);
  server.on("connection", (socket) => socket.close(4001));
  const { tab, release } = await held(t);
  const ended = once(server, "connection").then(([socket]) => once(socket, "close"));
  const started = tab.start("a", url, { token: "wrong", rooms: ["lobby"] });
  await ended;
  release();
  await started;
  const { what } = await tab.state("a", "failed");
  assert.equal(what.cause.code, "unauthorized");
});

test("a socket that no client takes is closed in time", async (t) => {
  const { server, url } = await watched(t);
  const { tab, release } = await held(t, { clock: true });
  const connected = once(server, "connection");
  const started = tab.start("a", url, { token: "alice" }).catch(() => {});
  const [socket] = await connected;
  const closed = once(socket, "close");
  await tab.page.clock.fastForward(10_000);
  await closed;
  release("fail");
  await started;
});

test("a server that floods before it is asked is not waited for", async (t) => {
  const { server, url } = await watched(t);
  const ended = new Promise((resolve) => {
    server.on("connection", (socket) => {
      for (let n = 0; n < 100; n++) socket.send(JSON.stringify({ type: "pong" }));
      socket.on("close", resolve);
    });
  });
  const { tab, release } = await held(t);
  const started = tab.start("a", url, { token: "alice", rooms: ["lobby"] });
  await ended;
  release();
  await started;
  // The machine dials by itself.
  await tab.state("a", "connected");
});

test("where the first dial needs more than the address, nothing is dialled before the module is there", async (t) => {
  const { url } = await watched(t);
  const { tab, release } = await held(t);
  let dialled = 0;
  tab.page.on("websocket", () => dialled++);
  await tab.page.evaluate((url) => {
    window.asked = 0;
    window.made = Promise.all([
      window.connect(url, { token: () => (window.asked++, "alice") }),
      window.connect([url, `${url}2`], { token: "alice" }),
    ]);
  }, url);
  // Its answer comes after what the page has done before.
  assert.equal(await tab.page.evaluate(() => window.asked), 0);
  assert.equal(dialled, 0);
  const dial = tab.page.waitForEvent("websocket");
  release();
  await dial;
  await tab.page.evaluate(async () => void (await window.made));
});
