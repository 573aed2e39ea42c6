// The package in a real Chromium, under a strict content security policy, against the real server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { browser, browserWithBackForwardCache, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

/** On a plain connection and on an extended one. */
function both(name, body) {
  for (const protocol of ["plain", "auto"]) {
    test(`${name} (${protocol})`, (t) => body(t, (token, more) => ({ token, rooms: ["lobby"], protocol, ...more })));
  }
}

async function rig(t, { more = [], start = browser } = {}) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", ...more);
  const proxy = await Proxy.start(t, server.port);
  const chromium = await start(t);
  const address = await pages(t);
  return { server, proxy, chromium, address, tab: await Tab.open(t, chromium, address) };
}

both("two clients of a page talk to each other, and every send has its receipt", async (t, options) => {
  const { server, tab } = await rig(t);
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.start("b", server.url, options("bob"));
  await tab.heard("a", "user_joined", ({ room, user }) => room == "lobby" && user == "bob");
  const receipt = await tab.ask("a", "send", "lobby", "hi ☃");
  assert.match(receipt.status, /^(written|acked)$/);
  const { what } = await tab.said("b", "hi ☃");
  assert.deepEqual([what.room, what.user], ["lobby", "alice"]);
  assert.ok(!Number.isNaN(Date.parse(what.timestamp)));
  await tab.ask("a", "close");
  await tab.state("a", "closed");
  assert.deepEqual(tab.errors, []);
});

both("a cut connection is made again with a cause, rooms are joined again, and what is said then arrives", async (t, options) => {
  const { proxy, tab } = await rig(t);
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  proxy.cut();
  const { what } = await tab.state("a", "reconnecting");
  assert.equal(what.cause.code, "connection_lost");
  assert.equal(what.cause.willRetry, true);
  assert.ok(what.retryAt > 0);
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "after");
  await tab.said("a", "after");
});

both("what is sent while the server is away arrives once it is back", async (t, options) => {
  const { server, proxy, tab } = await rig(t);
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  server.kill("SIGKILL");
  await tab.state("a", "reconnecting");
  const sent = tab.ask("a", "send", "lobby", "from before");
  await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`, "--allow-origin", "*");
  assert.match((await sent).status, /^(written|acked)$/);
  await tab.said("a", "from before");
});

both("a listener that throws, sends or closes harms nobody, and its error reaches the page", async (t, options) => {
  const { server, tab } = await rig(t);
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.page.evaluate(() => {
    const client = window.clients.a;
    client.on("message", () => {
      throw new Error("a listener's own");
    });
    client.on("message", ({ content }) => content == "one" && client.send("lobby", "two"));
    client.on("message", ({ content }) => content == "two" && client.close());
  });
  await tab.ask("a", "send", "lobby", "one");
  await tab.said("a", "two");
  await tab.state("a", "closed");
  assert.ok(tab.errors.length >= 1 && tab.errors.every((error) => error.includes("a listener's own")), tab.errors.join());
});

both("bad arguments and calls after the end give typed errors with a hint", async (t, options) => {
  const { server, tab } = await rig(t);
  const failure = (...args) =>
    tab.page.evaluate(async (args) => {
      try {
        await window.connect(...args);
      } catch (error) {
        return [error instanceof window.RejoinError, error.code, typeof error.hint];
      }
    }, args);
  assert.deepEqual(await failure("ftp://h/ws"), [true, "bad_url", "string"]);
  assert.deepEqual(await failure("ws://user:pass@h/ws"), [true, "bad_url", "string"]);
  assert.deepEqual(await failure([]), [true, "bad_url", "string"]);
  assert.deepEqual(await failure(server.url, { token: 5 }), [true, "bad_option", "string"]);
  assert.deepEqual(await failure(server.url, { rooms: "lobby" }), [true, "bad_option", "string"]);
  await tab.start("a", server.url, options("alice"));
  assert.equal((await tab.ask("a", "send", "lobby", 5)).code, "bad_argument");
  assert.equal((await tab.ask("a", "join", null)).code, "bad_argument");
  await tab.heard("a", "ready");
  await tab.ask("a", "close");
  await tab.ask("a", "close");
  const late = await tab.ask("a", "send", "lobby", "late");
  assert.deepEqual([late.error, late.outcome, late.code], ["SendError", "failed", "closed"]);
  assert.equal((await tab.ask("a", "join", "r")).code, "closed");
  assert.equal((await tab.ask("a", "ready")).code, "closed");
});

both("a missing token is terminal with its code, and a new one leads out of it", async (t, options) => {
  const { server, tab } = await rig(t);
  await tab.start("a", server.url, options(undefined));
  const { what } = await tab.state("a", "failed");
  assert.deepEqual([what.cause.code, what.cause.number, what.cause.willRetry], ["unauthorized", 4001, false]);
  assert.equal((await tab.ask("a", "ready")).code, what.cause.code);
  await tab.ask("a", "setToken", "alice");
  await tab.heard("a", "ready");
});

both("a token function that throws is asked again, and its words are the cause", async (t, options) => {
  const { server, tab } = await rig(t);
  await tab.page.evaluate(async ([url, options]) => {
    let asked = 0;
    const token = async () => {
      if (++asked == 1) throw new Error("the token service is away");
      return "alice";
    };
    await window.start("a", url, { ...options, token });
  }, [server.url, options()]);
  const { what } = await tab.heard("a", "state", ({ cause }) => cause);
  assert.deepEqual([what.cause.code, what.cause.text], ["token_unavailable", "the token service is away"]);
  await tab.heard("a", "ready");
});

both("a send can be taken back while there is no connection, and times out by itself", async (t, options) => {
  const { proxy, tab } = await rig(t);
  proxy.refuse();
  await tab.start("a", proxy.url, options("alice"));
  const aborted = await tab.page.evaluate(async () => {
    const controller = new AbortController();
    const sent = window.clients.a.send("lobby", "never mind", { signal: controller.signal });
    controller.abort();
    return sent.catch(({ outcome, code }) => [outcome, code]);
  });
  assert.deepEqual(aborted, ["failed", "cancelled"]);
  const late = await tab.ask("a", "send", "lobby", "too late", { timeout: 50 });
  assert.deepEqual([late.outcome, late.code], ["failed", "timeout"]);
});

both("a page that comes back from the back/forward cache is connected again", async (t, options) => {
  const { server, tab, address } = await rig(t, { start: browserWithBackForwardCache });
  await tab.start("a", server.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.persisted = persisted)));
  await tab.page.goto(`${address}/elsewhere.html`);
  await tab.page.goBack({ waitUntil: "commit" });
  await tab.heard("a", "ready");
  assert.equal(await tab.page.evaluate(() => window.persisted), true);
  await tab.ask("a", "send", "lobby", "back");
  await tab.said("a", "back");
});

both("nothing is left running after the end", async (t, options) => {
  const { proxy, tab } = await rig(t);
  await tab.page.evaluate(() => {
    const added = (window.added = new Map());
    for (const target of [window, document]) {
      const { addEventListener, removeEventListener } = target;
      target.addEventListener = (name, ...rest) => {
        added.set(name, (added.get(name) ?? 0) + 1);
        return addEventListener.call(target, name, ...rest);
      };
      target.removeEventListener = (name, ...rest) => {
        added.set(name, added.get(name) - 1);
        return removeEventListener.call(target, name, ...rest);
      };
    }
    const { setTimeout, clearTimeout } = window;
    const timers = (window.timers = new Set());
    window.setTimeout = (run, ...rest) => {
      const timer = setTimeout(() => (timers.delete(timer), run()), ...rest);
      timers.add(timer);
      return timer;
    };
    window.clearTimeout = (timer) => (timers.delete(timer), clearTimeout(timer));
  });
  await tab.start("a", proxy.url, options("alice"));
  await tab.heard("a", "ready");
  await tab.ask("a", "send", "lobby", "hi");
  proxy.refuse();
  await tab.state("a", "reconnecting");
  await tab.ask("a", "close");
  assert.deepEqual(await tab.page.evaluate(() => [[...window.added.values()].filter(Boolean), window.timers.size]), [[], 0]);
});
