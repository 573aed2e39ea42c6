// The state that outlives a page (option persist): unsent messages and positions, in the browser's own database.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

const options = (token) => ({ token, rooms: ["lobby"], persist: "indexeddb", protocol: "plain" });

async function rig(t) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const proxy = await Proxy.start(t, server.port);
  const chromium = await browser(t);
  const address = await pages(t);
  const open = () => Tab.open(t, chromium, address);
  return { server, proxy, address, open };
}

/** Hands a message over without waiting for what becomes of it, and until it is in the database. */
const send = (tab, content) =>
  tab.page.evaluate(async (content) => {
    void window.clients.a.send("lobby", content).catch(() => {});
    for (;;) {
      const opening = indexedDB.open("rejoin", 1);
      const database = await new Promise((resolve) => (opening.onsuccess = () => resolve(opening.result)));
      const request = database.transaction("states").objectStore("states").getAll();
      const states = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      database.close();
      if (JSON.stringify(states).includes(content)) return;
    }
  }, content);

test("what was sent offline before a reload is delivered once after it, in order", async (t) => {
  const { server, proxy, address, open } = await rig(t);
  const tab = await open();
  await tab.start("b", server.url, { token: "bob", rooms: ["lobby"], protocol: "plain" });
  await tab.heard("b", "ready");
  const other = await open();
  proxy.refuse();
  await other.start("a", proxy.url, options("alice"));
  await send(other, "one");
  await send(other, "two");
  await other.load(address);
  proxy.allow();
  await other.start("a", proxy.url, options("alice"));
  const restored = await other.page.evaluate(() => Promise.all(window.clients.a.restored.map(async ({ content, outcome }) => [content, await outcome])));
  assert.deepEqual(restored.map(([content]) => content), ["one", "two"]);
  const { skipped } = await tab.said("b", "two");
  assert.deepEqual(skipped.filter(({ event }) => event == "message").map(({ what }) => what.content), ["one"]);
  // Nothing is left over for the next reload.
  await other.ask("a", "close");
  await other.state("a", "closed");
  await other.load(address);
  await other.start("a", proxy.url, options("alice"));
  await other.ask("a", "ready");
  assert.equal(await other.page.evaluate(() => window.clients.a.restored.length), 0);
  await other.ask("a", "send", "lobby", "three");
  const { skipped: between } = await tab.said("b", "three");
  assert.deepEqual(between.filter(({ event }) => event == "message"), []);
});

test("two tabs do not take up each other's messages", async (t) => {
  const { proxy, address, open } = await rig(t);
  proxy.refuse();
  const [one, two] = [await open(), await open()];
  await one.start("a", proxy.url, options("alice"));
  await two.start("a", proxy.url, options("alice"));
  await send(one, "of the first");
  await send(two, "of the second");
  const restored = (tab) => tab.page.evaluate(() => window.clients.a.restored.map(({ content }) => content));
  await two.load(address);
  await two.start("a", proxy.url, options("alice"));
  assert.deepEqual(await restored(two), ["of the second"]);
  await one.load(address);
  await one.start("a", proxy.url, options("alice"));
  assert.deepEqual(await restored(one), ["of the first"]);
});

test("storage that cannot be used is a typed error, and one that fails later is said once", async (t) => {
  const { server, open } = await rig(t);
  const tab = await open();
  const code = await tab.page.evaluate(async (url) => {
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = () => {
      throw new DOMException("blocked", "SecurityError");
    };
    const code = await window.connect(url, { persist: "indexeddb" }).catch((error) => [error instanceof window.RejoinError, error.code]);
    IDBFactory.prototype.open = open;
    return code;
  }, server.url);
  assert.deepEqual(code, [true, "no_storage"]);
  await tab.start("a", server.url, options("alice"));
  await tab.page.evaluate(() => {
    IDBObjectStore.prototype.put = function () {
      this.transaction.abort();
    };
  });
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "all the same");
  await tab.said("a", "all the same");
  await tab.ask("a", "send", "lobby", "once more");
  await tab.said("a", "once more");
  const told = tab.events.entries.filter(({ event, what }) => event == "error" && what.code == "storage");
  assert.ok(told.length <= 1, JSON.stringify(told));
});

test("nothing is sent before it is stored, and what comes meanwhile is told afterwards", async (t) => {
  const { server, open } = await rig(t);
  const tab = await open();
  await tab.page.evaluate(() => {
    window.stored = [];
    Object.defineProperty(IDBTransaction.prototype, "oncomplete", {
      set(told) {
        this.addEventListener("complete", () => (window.slow ? window.stored.push(told) : told()));
      },
    });
  });
  await tab.start("a", server.url, { token: "alice", rooms: ["lobby"], persist: "indexeddb" });
  await tab.heard("a", "ready");
  await tab.start("b", server.url, { token: "bob" });
  await tab.heard("b", "ready");
  await tab.page.evaluate(() => {
    window.slow = true;
    window.receipt = window.clients.a.send("lobby", "first stored");
  });
  await tab.page.waitForFunction(() => window.stored.length > 0);
  await tab.ask("b", "join", "lobby");
  await tab.heard("b", "joined", ({ members }) => members.includes("alice"));
  await tab.ask("b", "send", "lobby", "meanwhile");
  await tab.said("b", "meanwhile");
  assert.ok(!tab.events.entries.some(({ client, what }) => client == "b" && what.content == "first stored"));
  await tab.page.evaluate(() => {
    window.slow = false;
    for (const told of window.stored) told();
  });
  assert.equal((await tab.page.evaluate(() => window.receipt)).status, "acked");
  const ofA = (name) => tab.events.entries.filter(({ client, event }) => client == "a" && event == name).map(({ what }) => what);
  await tab.said("b", "first stored");
  // Which of the two is told first is nobody's promise.
  if (!ofA("message").some(({ content }) => content == "first stored")) await tab.said("a", "first stored");
  assert.deepEqual(ofA("user_joined"), [{ room: "lobby", user: "bob" }]);
  assert.deepEqual(ofA("message").map(({ content }) => content).sort(), ["first stored", "meanwhile"]);
  assert.deepEqual(tab.errors, []);
});

test("a storage that hangs holds up one send for a while, and the end not at all", async (t) => {
  const { server, open } = await rig(t);
  const tab = await open();
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.page.evaluate(() => {
    // Every one of them stays open.
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, ...more) {
      return mode == "readwrite" ? { objectStore: () => ({ put() {} }) } : transaction.call(this, stores, mode, ...more);
    };
  });
  assert.equal((await tab.ask("a", "send", "lobby", "first")).status, "written");
  const { what } = await tab.heard("a", "error");
  assert.equal(what.code, "storage");
  assert.match(what.message, /does not answer/);
  assert.equal((await tab.ask("a", "send", "lobby", "second")).status, "written");
  await tab.ask("a", "close");
  await tab.state("a", "closed");
});

/** A page without a connection, whose client stores what it is given. */
async function offline(t) {
  const parts = await rig(t);
  parts.proxy.refuse();
  const tab = await parts.open();
  await tab.start("a", parts.proxy.url, options("alice"));
  return { ...parts, tab };
}

const restoredBy = (tab) => tab.page.evaluate(() => window.clients.a.restored.map(({ content }) => content));

for (const [how, leave, late] of [
  ["reloaded", () => location.reload(), false],
  ["left for another", () => (location.href = "elsewhere.html"), false],
  [
    "reloaded, and while it is,",
    () => {
      addEventListener("pagehide", () => void window.clients.a.send("lobby", "three").catch(() => {}));
      location.reload();
    },
    true,
  ],
]) {
  test(`what was sent just before the page is ${how} is not lost`, async (t) => {
    const { proxy, address, tab } = await offline(t);
    // Chromium takes its time for the first write of an origin, and gives it up when the page is left meanwhile.
    await send(tab, "zero");
    let restored;
    for (let round = 0; round < 3; round++) {
      const gone = tab.page.waitForNavigation();
      await tab.page.evaluate(`for (const content of ["one", "two"]) clients.a.send("lobby", content).catch(() => {}); (${leave})()`);
      await gone;
      await tab.load(address);
      await tab.start("a", proxy.url, options("alice"));
      restored = await restoredBy(tab);
      // What begins while the page goes, the browser may not end any more: it is whole or not there.
      const certain = restored.filter((content) => content != "three");
      assert.deepEqual(certain, ["zero", ...Array.from({ length: round + 1 }, () => ["one", "two"]).flat()]);
      assert.ok(restored.every((content, at) => content != "three" || restored[at - 1] == "two"), restored.join());
    }
    assert.equal(restored.includes("three"), late);
  });
}

test("a database that is deleted blocks nobody: one error says so, and the client goes on without it", async (t) => {
  const { server, open } = await rig(t);
  const tab = await open();
  await tab.start("a", server.url, { ...options("alice"), protocol: "auto" });
  await tab.heard("a", "ready");
  const deleted = await tab.page.evaluate(() => new Promise((resolve) => {
    const request = indexedDB.deleteDatabase("rejoin");
    request.onsuccess = () => resolve("deleted");
    request.onblocked = () => resolve("blocked");
  }));
  assert.equal(deleted, "deleted");
  assert.equal((await tab.ask("a", "send", "lobby", "first")).status, "acked");
  await tab.said("a", "first");
  assert.equal((await tab.ask("a", "send", "lobby", "second")).status, "acked");
  await tab.said("a", "second");
  const told = () => tab.events.entries.filter(({ event }) => event == "error");
  if (!told().length) await tab.heard("a", "error");
  assert.deepEqual(told().map(({ what }) => what.code), ["storage"]);
  // Whoever comes now has a database again.
  await tab.start("b", server.url, { ...options("bob"), protocol: "auto" });
  assert.equal((await tab.ask("b", "send", "lobby", "third")).status, "acked");
  await tab.ask("a", "close");
  assert.deepEqual(tab.errors, []);
});

test("a storage that cannot be written to, or does not even open, holds up neither connect nor a send", async (t) => {
  const { server, open } = await rig(t);
  for (const breakIt of [
    () => (IDBFactory.prototype.open = () => ({})),
    () => (LockManager.prototype.request = () => new Promise(() => {})),
    () => (IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); }),
  ]) {
    const tab = await open();
    await tab.page.evaluate(breakIt);
    await tab.start("a", server.url, { ...options("alice"), protocol: "auto" });
    assert.equal((await tab.ask("a", "send", "lobby", "all the same")).status, "acked");
    await tab.said("a", "all the same");
    assert.equal((await tab.ask("a", "send", "lobby", "once more")).status, "acked");
    const told = () => tab.events.entries.filter(({ event }) => event == "error");
    if (!told().length) await tab.heard("a", "error");
    assert.deepEqual(told().map(({ what }) => what.code), ["storage"]);
    await tab.ask("a", "close");
    assert.equal(await tab.page.evaluate(() => window.clients.a.state), "closed");
    assert.deepEqual(tab.errors, []);
    await tab.page.close();
  }
});
