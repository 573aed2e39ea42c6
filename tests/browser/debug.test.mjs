// The option debug, and localStorage.rejoin: what happens is said, one line each, and nothing that is a secret.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { installed } from "./installed.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

const SECRETS = /secret/;

/** The lines that `act` has been the reason for, without the times. */
async function lines(t, act) {
  const said = [];
  t.mock.method(console, "debug", (line) => said.push(line));
  await act(said);
  return said.map((line) => line.replace(/^rejoin \d+ \+[\d.]+ m?s: /, "").replace(/(after|in) [\d.]+ m?s/g, "$1 TIME"));
}

test("a page says what happens when localStorage.rejoin is debug, and loads nothing for it otherwise", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const proxy = await Proxy.start(t, server.port);
  const chromium = await browser(t);
  const tab = await Tab.open(t, chromium, await pages(t));
  const loaded = [];
  const said = [];
  tab.page.on("request", (request) => loaded.push(new URL(request.url()).pathname.split("/").pop()));
  tab.page.on("console", (message) => message.type() == "debug" && said.push(message.text()));
  await tab.start("quiet", proxy.url, { token: "secret-alice", rooms: ["lobby"] });
  await tab.heard("quiet", "ready");
  assert.deepEqual([said, loaded.includes("debug.js")], [[], false]);

  await tab.page.evaluate(() => void (localStorage.rejoin = "debug"));
  await tab.start("a", proxy.url, { token: "secret-bob", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "a secret content", { data: { secret: 1 } });
  proxy.cut();
  await tab.state("a", "reconnecting");
  await tab.heard("a", "ready");
  await tab.ask("a", "close");
  const text = said.join("\n");
  for (const line of [
    /^rejoin 1 \+[\d.]+ m?s: dial ws:\/\/127\.0\.0\.1:\d+\/ws$/m,
    /: open after [\d.]+ m?s$/m,
    /: state connected$/m,
    /: mode extended$/m,
    /: room "lobby" joined$/m,
    /: joined "lobby": fresh, \d+ replayed, \d+ there$/m,
    /: send to "lobby": acked, seq \d+ after [\d.]+ m?s$/m,
    /: closed 1006 after [\d.]+ m?s$/m,
    /: state reconnecting, connection_lost 1006, attempt \d+ in [\d.]+ m?s$/m,
    /: joined "lobby": recovered, \d+ replayed/m,
    /: state closed/m,
  ]) assert.match(text, line);
  assert.doesNotMatch(text, SECRETS);
  assert.ok(loaded.includes("debug.js"));

  // What the application says counts.
  await tab.start("off", proxy.url, { token: "secret-eve", debug: false });
  await tab.heard("off", "ready");
  assert.equal(said.join("\n"), text);
});

test("outcomes, gaps and refusals are said with their codes", async (t) => {
  const { connect } = await installed("node.js");
  const { FakeServer } = await installed("testing.js");
  const said = await lines(t, async () => {
    const server = new FakeServer();
    const client = await connect(server.url, { ...server.options(), token: "secret", rooms: ["lobby"], debug: true });
    await client.ready();
    server.nack("forbidden", { message: "secret words" });
    await server.clock.until(client.send("lobby", "secret")).catch(() => {});
    server.refuseJoin("forbidden", { room: "other", message: "secret words" });
    await server.clock.until(client.join("other")).catch(() => {});
    server.say("lobby", "bob", "secret");
    await server.clock.advance(0);
    server.stop();
    for (let at = 0; at < 20; at++) server.say("lobby", "bob", "secret");
    server.trim("lobby", 0);
    await server.clock.advance(1_000);
    server.start();
    await server.clock.advance(60_000);
    await server.clock.until(client.close());
  });
  for (const line of [
    'send to "lobby": failed, forbidden after TIME',
    'room "other" failed, forbidden',
    "state reconnecting, unreachable, attempt 2 in TIME",
    'gap in "lobby": trimmed, between 1 and 22',
    "state closed, requested",
  ]) assert.ok(said.includes(line), `${line}\nin\n${said.join("\n")}`);
  assert.doesNotMatch(said.join("\n"), SECRETS);
});

test("messages of one's own, Socket.IO and a feed are said too", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { WebSocket } = await import("ws");
  const [{ connect }, socketio, { follow }] = await Promise.all(["node.js", "socketio-node.js", "sse-node.js"].map(installed));
  const said = await lines(t, async () => {
    const client = await connect(server.url, { webSocket: WebSocket, token: "secret", rooms: ["lobby"], frames: true, debug: true });
    await client.ready();
    await client.frames.send({ type: "own", secret: 1 });
    await client.frames.request({ type: "own", secret: 1 }, { timeout: 1 }).catch(() => {});
    await client.close();
    const other = await socketio.connect(`http://127.0.0.1:${server.port}`, { webSocket: WebSocket, token: "secret", rooms: ["lobby"], debug: true });
    await other.ready();
    await other.send("lobby", "secret");
    await other.close();
    const feed = await follow(`http://127.0.0.1:${server.port}`, { room: "lobby", token: "secret", debug: true });
    await new Promise((resolve) => feed.on("state", ({ state }) => state == "connected" && resolve()));
    await feed.close();
  });
  for (const line of [/^frames\.send: written after TIME$/m, /^send to "lobby": (acked|answered).* after TIME$/m, /^dial ws:.*\/socket\.io\/$/m, /^state closed/m]) assert.match(said.join("\n"), line);
  assert.doesNotMatch(said.join("\n"), SECRETS);
});
