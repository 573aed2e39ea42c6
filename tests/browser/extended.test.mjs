// The promises of the extended protocol, in a real Chromium: nothing missed, nothing doubled, a hole always announced.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

const options = (token, more) => ({ token, rooms: ["lobby"], ...more });

async function rig(t, ...more) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", ...more);
  const proxy = await Proxy.start(t, server.port);
  const chromium = await browser(t);
  const address = await pages(t);
  return { server, proxy, chromium, address, tab: await Tab.open(t, chromium, address) };
}

const contents = (told) => told.filter(({ event }) => event == "message").map(({ what }) => what.content);

test("what was said while the network was away is told afterwards, once, in order and without a gap", async (t) => {
  const { server, proxy, tab } = await rig(t);
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.start("b", server.url, options("bob"));
  await tab.heard("b", "ready");
  await tab.ask("b", "send", "lobby", "0");
  await tab.said("a", "0");
  proxy.refuse();
  await tab.state("a", "reconnecting");
  for (const content of ["1", "2", "3"]) await tab.ask("b", "send", "lobby", content);
  const mine = tab.ask("a", "send", "lobby", "4");
  proxy.allow();
  assert.equal((await mine).status, "acked");
  const { what } = await tab.heard("a", "joined", ({ recovered }) => recovered);
  assert.deepEqual([what.replayed, what.members], [3, ["alice", "bob"]]);
  const { skipped } = await tab.said("a", "4");
  const told = skipped.filter(({ client }) => client == "a");
  assert.deepEqual(contents(told), ["1", "2", "3"]);
  assert.ok(told.filter(({ event }) => event == "message").every(({ what }) => what.replay));
  assert.equal(tab.events.entries.filter(({ event }) => event == "gap").length, 0);
});

test("a server that has lost its log is a gap before the first message after it", async (t) => {
  const { server, proxy, tab } = await rig(t);
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "before");
  await tab.said("a", "before");
  server.kill("SIGKILL");
  await tab.state("a", "reconnecting");
  await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`, "--allow-origin", "*");
  const { what } = await tab.heard("a", "gap");
  assert.deepEqual([what.room, what.reason], ["lobby", "epoch_changed"]);
  await tab.ask("a", "send", "lobby", "after");
  await tab.said("a", "after");
});

test("members, typing and data come as they were sent", async (t) => {
  const { server, tab } = await rig(t);
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.start("b", server.url, options("bob"));
  await tab.heard("b", "ready");
  await tab.ask("b", "signal", "lobby", "typing", { since: 5 });
  const { what: signal } = await tab.heard("a", "signal");
  assert.deepEqual(signal, { room: "lobby", user: "bob", kind: "typing", data: { since: 5 } });
  await tab.ask("b", "send", "lobby", "look", { data: { image: ["x", null, 1.5] } });
  const { what: message } = await tab.said("a", "look");
  assert.deepEqual(message.data, { image: ["x", null, 1.5] });
  assert.match(message.position.epoch, /^[\w-]+$/);
  await tab.ask("b", "leave", "lobby");
  await tab.heard("a", "user_left", ({ user }) => user == "bob");
});

test("a server that says it goes away is left without a word of its messages lost", async (t) => {
  const { server, proxy, tab } = await rig(t, "--drain", "20s");
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  server.kill("SIGTERM");
  await tab.heard("a", "state", ({ state }) => state != "connected");
  const sent = tab.ask("a", "send", "lobby", "into the dark");
  await server.exited();
  await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`, "--allow-origin", "*");
  assert.equal((await sent).status, "acked");
});

test("a half-open connection is found by asking, and the next one goes on where it was", async (t) => {
  const { server, proxy, tab } = await rig(t, "--heartbeat", "5s");
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.start("b", server.url, options("bob"));
  await tab.heard("b", "ready");
  // Nothing may be on its way any more that would prove life.
  if (!tab.events.entries.some(({ client, event }) => client == "a" && event == "user_joined")) {
    await tab.heard("a", "user_joined");
  }
  proxy.freeze();
  await tab.ask("b", "send", "lobby", "unheard");
  // What a page is told when its network comes back is no proof of anything: a reason to ask, with 3 s to answer.
  await tab.page.evaluate(() => dispatchEvent(new Event("online")));
  const { what } = await tab.state("a", "reconnecting");
  assert.equal(what.cause.code, "network_changed");
  proxy.thaw();
  await tab.said("a", "unheard");
});

test("a network that comes back, a page that is shown, a freeze and a resume are no reason to lose a connection", async (t) => {
  const { proxy, chromium, tab } = await rig(t);
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  const protocol = await chromium.newCDPSession(tab.page);
  for (const state of ["frozen", "active"]) await protocol.send("Page.setWebLifecycleState", { state });
  await tab.page.evaluate(() => {
    for (const name of ["offline", "online"]) dispatchEvent(new Event(name));
    document.dispatchEvent(new Event("visibilitychange"));
  });
  assert.equal((await tab.ask("a", "send", "lobby", "still here")).status, "acked");
  await tab.said("a", "still here");
  const { dials, framesOut } = await tab.ask("a", "diagnostics");
  assert.equal(dials, 1);
  assert.ok(framesOut >= 3, "the server was asked");
  assert.equal(proxy.accepted, 1);
});

test("a timer that comes an hour late asks first", async (t) => {
  const { server, chromium, address } = await rig(t);
  const tab = await Tab.open(t, chromium, address, { clock: true });
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  // The clocks run on and every timer fires at the end, as in a laptop that slept with its lid closed.
  await tab.page.clock.fastForward("01:00:00");
  assert.equal((await tab.ask("a", "send", "lobby", "good morning")).status, "acked");
  assert.equal((await tab.ask("a", "diagnostics")).dials, 1);
});

test("a message that comes while a page is away is told to the next one, and nothing twice", async (t) => {
  const { server, tab, address } = await rig(t);
  const kept = (token) => options(token, { persist: "indexeddb" });
  await tab.start("a", server.url, kept("alice"));
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "one");
  await tab.said("a", "one");
  await tab.ask("a", "close");
  await tab.state("a", "closed");
  await tab.load(address);
  await tab.start("b", server.url, options("bob"));
  await tab.heard("b", "ready");
  await tab.ask("b", "send", "lobby", "two");
  await tab.start("a", server.url, kept("alice"));
  const { skipped } = await tab.said("a", "two");
  assert.deepEqual(contents(skipped.filter(({ client }) => client == "a")), []);
  assert.equal(tab.events.entries.filter(({ event }) => event == "gap").length, 0);
});
