// One connection for all tabs (option shareTabs): in a real Chromium, with its locks, channels, crashes and freezes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PlainServer, RejoinServer } from "../interop/processes.mjs";
import { Freezable } from "./freezable.mjs";
import { browser, browserWithBackForwardCache, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

const options = (more) => ({ token: "alice", rooms: ["lobby"], shareTabs: "alice", ...more });

/** A server, a proxy that counts and cuts connections, and tabs of one origin with a client `a` each. */
async function rig(t, { start = browser, args = [], server } = {}) {
  server ??= await serve(t, ...args);
  const proxy = await Proxy.start(t, server.port);
  const chromium = await start(t);
  const address = await pages(t);
  const empty = () => Tab.open(t, chromium, address);
  /** One more tab that is ready. */
  const tab = async (more) => {
    const tab = await empty();
    await tab.start("a", proxy.url, options(more));
    await tab.heard("a", "ready");
    return tab;
  };
  return { server, proxy, chromium, address, empty, tab };
}

const serve = (t, ...args) => serveAt(t, 0, ...args);
const serveAt = (t, port, ...args) => RejoinServer.start(t, "--listen", `127.0.0.1:${port}`, "--allow-origin", "*", ...args);

const told = (tab, name, client = "a") =>
  tab.events.entries.filter((told) => told.client == client && told.event == name).map(({ what }) => what);
const contents = (tab, client) => told(tab, "message", client).map(({ content }) => content);

/** Reads on until all of these contents have come, in whatever order. */
async function all(tab, wanted) {
  const missing = () => wanted.filter((content) => !contents(tab).includes(content));
  while (missing().length) await tab.said("a", missing()[0]);
}

/** Somebody who sees what the server tells others, on a connection of its own. */
async function witness(t, { server, empty }) {
  const tab = await empty();
  await tab.start("w", server.url, { token: "walter", rooms: ["lobby"] });
  await tab.heard("w", "ready");
  return tab;
}

/** The tab that has the connection, and the others. */
async function leading(tabs) {
  for (;;) {
    const leads = await Promise.all(
      tabs.map(({ page }) =>
        page.evaluate(async () => {
          const lead = (await navigator.locks.query()).held.find(({ name }) => name.startsWith("["))?.clientId;
          // A lock of its own says whose page this is.
          return navigator.locks.request(`${Math.random()}`, async ({ name }) => {
            const { held } = await navigator.locks.query();
            return held.find((lock) => lock.name == name).clientId == lead;
          });
        }),
      ),
    );
    const at = leads.indexOf(true);
    if (at >= 0) return { leader: tabs[at], others: tabs.filter((_, other) => other != at) };
  }
}

test("three tabs share one connection, and each sees what each sends once", async (t) => {
  const { proxy, tab } = await rig(t);
  const tabs = [await tab(), await tab(), await tab()];
  assert.equal(proxy.accepted, 1);
  for (const [at, tab] of tabs.entries()) {
    const receipt = await tab.ask("a", "send", "lobby", `of ${at}`);
    assert.equal(receipt.status, "acked");
  }
  for (const tab of tabs) {
    await all(tab, ["of 0", "of 1", "of 2"]);
    assert.deepEqual(contents(tab), ["of 0", "of 1", "of 2"]);
    assert.deepEqual(tab.errors, []);
  }
  assert.equal(proxy.accepted, 1);
});

/** Ends the page of a tab without a word, as a crash does. */
async function crash(chromium, tab) {
  const protocol = await chromium.newCDPSession(tab.page);
  const crashed = new Promise((resolve) => tab.page.once("crash", resolve));
  protocol.send("Page.crash").catch(() => {});
  await crashed;
}

const ends = {
  closed: (_, tab) => tab.page.close(),
  crashed: crash,
  "sent elsewhere": (_, tab) => tab.page.goto("about:blank"),
};

for (const [how, end] of Object.entries(ends)) {
  test(`when the leading tab is ${how} the others go on, and nothing is lost or doubled`, async (t) => {
    const { server, proxy, chromium, tab, empty } = await rig(t);
    const seen = await witness(t, { server, empty });
    const { leader, others } = await leading([await tab(), await tab(), await tab()]);
    await others[0].ask("a", "send", "lobby", "before");
    for (const tab of others) await all(tab, ["before"]);
    const before = proxy.accepted;
    const begun = performance.now();
    await end(chromium, leader);
    // Said while nobody leads, or nobody knows yet.
    const [one, two] = await Promise.all([
      ...others.map((tab, at) => tab.ask("a", "send", "lobby", `from ${at}`)),
      seen.ask("w", "send", "lobby", "from outside"),
    ]);
    t.diagnostic(`the others' messages were acknowledged ${Math.round(performance.now() - begun)} ms after the end`);
    assert.deepEqual([one.status, two.status], ["acked", "acked"]);
    const wanted = ["before", "from 0", "from 1", "from outside"];
    for (const tab of others) {
      await all(tab, wanted);
      assert.deepEqual(contents(tab).toSorted(), wanted);
      assert.deepEqual(told(tab, "gap"), []);
      // The session moved: for the application there was no loss.
      assert.deepEqual(told(tab, "state").filter(({ state }) => state == "reconnecting"), []);
    }
    assert.equal(proxy.accepted, before + 1);
    assert.equal((await others[1].ask("a", "send", "lobby", "the last")).status, "acked");
    await all(others[0], ["the last"]);
  });
}

for (const [how, end] of Object.entries({
  ...ends,
  "no longer connected": (_, tab) => tab.ask("a", "close"),
})) {
  test(`what the others were sending when the leading tab is ${how} is sent again as soon as they are connected`, async (t) => {
    const { chromium, tab } = await rig(t);
    const { leader, others: [other] } = await leading([await tab(), await tab()]);
    await other.page.evaluate(() => {
      // The waits for answers on a connection that is gone.
      const { setTimeout } = window;
      window.setTimeout = (run, delay, ...more) => (delay > 1000 ? -1 : setTimeout(run, delay, ...more));
      window.sent = [];
      window.sending = setInterval(() => window.sent.push(window.clients.a.send("lobby", `${window.sent.length}`)), 5);
    });
    await other.page.waitForFunction(() => window.sent.length > 5);
    await end(chromium, leader);
    await other.page.waitForFunction((before) => window.sent.length > before + 20, await other.page.evaluate(() => window.sent.length));
    const statuses = await other.page.evaluate(async () => {
      clearInterval(window.sending);
      return (await Promise.all(window.sent)).map(({ status }) => status);
    });
    assert.deepEqual([...new Set(statuses)], ["acked"]);
    const wanted = statuses.map((_, at) => `${at}`);
    await all(other, wanted);
    assert.deepEqual(contents(other), wanted);
    assert.deepEqual(told(other, "state").filter(({ state }) => state == "reconnecting"), []);
  });
}

test("a leading tab that is frozen hands over, and shares again when it is back", async (t) => {
  const server = await serve(t);
  const proxy = await Proxy.start(t, server.port);
  const address = await pages(t);
  const chromium = await Freezable.start(t);
  const tab = async () => {
    const page = await chromium.page(address);
    await page.evaluate(
      async (url, options) => {
        window.heard = [];
        window.tell = ({ event, what }) => window.heard.push([event, what.content ?? what.state]);
        await window.start("a", url, options);
        await window.clients.a.ready();
      },
      proxy.url,
      options(),
    );
    return page;
  };
  const [leader, other] = [await tab(), await tab()];
  await other.evaluate(() => window.clients.a.send("lobby", "before"));
  await leader.freeze();
  const receipt = await other.evaluate(() => window.clients.a.send("lobby", "meanwhile"));
  assert.equal(receipt.status, "acked");
  assert.equal(proxy.accepted, 2);
  await leader.resume();
  const mine = await leader.evaluate(() => window.clients.a.send("lobby", "back again"));
  assert.equal(mine.status, "acked");
  assert.equal(proxy.accepted, 2);
  for (const tab of [leader, other]) {
    const heard = await tab.evaluate(async () => {
      const messages = () => window.heard.filter(([event]) => event == "message").map(([, content]) => content);
      while (!messages().includes("back again")) await new Promise((resolve) => setTimeout(resolve, 10));
      return messages();
    });
    assert.deepEqual(heard, ["before", "meanwhile", "back again"]);
  }
});

test("a leading tab that hangs is found by asking, and the lead is taken from it", async (t) => {
  const { proxy, tab } = await rig(t);
  const { leader, others } = await leading([await tab(), await tab()]);
  const [other] = others;
  void leader.page.evaluate(() => { for (;;); }).catch(() => {});
  const sent = other.ask("a", "send", "lobby", "unheard");
  await other.page.evaluate(() => dispatchEvent(new Event("online")));
  await other.state("a", "reconnecting");
  assert.equal((await sent).status, "acked");
  await all(other, ["unheard"]);
  assert.deepEqual(contents(other), ["unheard"]);
  assert.equal(proxy.accepted, 2);
});

test("a room is left when the last tab has left it, and not before", async (t) => {
  const { server, tab, empty } = await rig(t);
  const seen = await witness(t, { server, empty });
  const [one, two] = [await tab(), await tab()];
  await seen.heard("w", "user_joined");
  await one.ask("a", "leave", "lobby");
  await one.heard("a", "room", ({ state }) => state == "left");
  await two.ask("a", "send", "lobby", "still here");
  await all(two, ["still here"]);
  await seen.said("w", "still here");
  assert.deepEqual(contents(one), []);
  assert.deepEqual(told(seen, "user_left", "w"), []);
  await two.ask("a", "leave", "lobby");
  await seen.heard("w", "user_left", ({ user }) => user == "alice");
  // And it can be joined anew, on the same connection.
  await one.ask("a", "join", "lobby");
  await seen.heard("w", "user_joined", ({ user }) => user == "alice");
});

test("each tab hears of its own rooms only", async (t) => {
  const { tab } = await rig(t);
  const [one, two] = [await tab({ rooms: ["lobby", "kitchen"] }), await tab({ rooms: ["lobby"] })];
  await one.ask("a", "send", "kitchen", "of the kitchen");
  await one.ask("a", "send", "lobby", "of the lobby");
  await all(one, ["of the kitchen", "of the lobby"]);
  await all(two, ["of the lobby"]);
  assert.deepEqual(contents(two), ["of the lobby"]);
});

test("a tab that has crashed is counted out, after the same grace as a lost connection", async (t) => {
  const { server, chromium, tab, empty } = await rig(t);
  const seen = await witness(t, { server, empty });
  const first = await tab();
  const second = await tab({ rooms: ["kitchen"] });
  await seen.ask("w", "join", "kitchen");
  await seen.heard("w", "joined", ({ room, members }) => room == "kitchen" && members.includes("alice"));
  const { leader } = await leading([first, second]);
  assert.equal(leader, first);
  await crash(chromium, second);
  await seen.heard("w", "user_left", ({ room, user }) => room == "kitchen" && user == "alice");
  // The lobby's tab is still there.
  await first.ask("a", "send", "lobby", "alone");
  await seen.said("w", "alone");
});

test("a tab that is reloaded before it hears that its message has arrived has sent it once all the same", async (t) => {
  const { proxy, address, tab, empty } = await rig(t);
  const kept = { persist: "indexeddb" };
  const other = await tab(kept);
  const reloaded = await empty();
  await reloaded.page.evaluate(() => {
    window.BroadcastChannel = class extends BroadcastChannel {
      set onmessage(listener) {
        this.addEventListener("message", (event) => window.deaf || listener(event));
      }
    };
  });
  await reloaded.start("a", proxy.url, options(kept));
  await reloaded.heard("a", "ready");
  await reloaded.page.evaluate(() => {
    window.deaf = true;
    void window.clients.a.send("lobby", "once").catch(() => {});
  });
  await all(other, ["once"]);
  await reloaded.load(address);
  await reloaded.start("a", proxy.url, options(kept));
  const restored = await reloaded.page.evaluate(() => Promise.all(window.clients.a.restored.map(({ outcome }) => outcome)));
  assert.deepEqual(restored.map(({ status }) => status), ["acked"]);
  await reloaded.ask("a", "send", "lobby", "the next");
  await all(other, ["the next"]);
  assert.deepEqual(contents(other), ["once", "the next"]);
  assert.equal(proxy.accepted, 1);
});

test("what two tabs have stored while there was no connection is sent once by each", async (t) => {
  const { proxy, server, address, tab, empty } = await rig(t);
  const seen = await witness(t, { server, empty });
  const kept = { persist: "indexeddb" };
  const tabs = [await tab(kept), await tab(kept)];
  proxy.refuse();
  for (const [at, tab] of tabs.entries()) {
    await tab.state("a", "reconnecting");
    await tab.page.evaluate(async (content) => {
      void window.clients.a.send("lobby", content).catch(() => {});
      const stored = async () => {
        const opening = indexedDB.open("rejoin", 1);
        const database = await new Promise((resolve) => (opening.onsuccess = () => resolve(opening.result)));
        const request = database.transaction("states").objectStore("states").getAll();
        const states = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
        database.close();
        return JSON.stringify(states);
      };
      while (!(await stored()).includes(content));
    }, `kept by ${at}`);
  }
  for (const tab of tabs) await tab.load(address);
  proxy.allow();
  for (const tab of tabs) await tab.start("a", proxy.url, options(kept));
  for (const tab of tabs) {
    const outcomes = await tab.page.evaluate(() => Promise.all(window.clients.a.restored.map(({ outcome }) => outcome)));
    assert.deepEqual(outcomes.map(({ status }) => status), ["acked"]);
  }
  await tabs[0].ask("a", "send", "lobby", "the last");
  await seen.said("w", "the last");
  assert.deepEqual(contents(seen, "w").toSorted(), ["kept by 0", "kept by 1", "the last"]);
});

test("a cut connection is every tab's, with its cause, and one connection again", async (t) => {
  const { proxy, tab } = await rig(t);
  const tabs = [await tab(), await tab(), await tab()];
  proxy.cut();
  for (const tab of tabs) {
    const { what } = await tab.state("a", "reconnecting");
    assert.equal(what.cause.code, "connection_lost");
  }
  for (const tab of tabs) await tab.heard("a", "ready");
  for (const [at, tab] of tabs.entries()) assert.equal((await tab.ask("a", "send", "lobby", `${at}`)).status, "acked");
  for (const tab of tabs) {
    await all(tab, ["0", "1", "2"]);
    assert.deepEqual(contents(tab), ["0", "1", "2"]);
    assert.deepEqual(told(tab, "gap"), []);
  }
  assert.equal(proxy.accepted, 2);
});

test("a server that was killed and has lost its log is a gap in every tab, and one connection again", async (t) => {
  const { server, proxy, tab } = await rig(t);
  const tabs = [await tab(), await tab()];
  await tabs[0].ask("a", "send", "lobby", "before");
  for (const tab of tabs) await all(tab, ["before"]);
  server.kill("SIGKILL");
  for (const tab of tabs) await tab.state("a", "reconnecting");
  const sent = tabs.map((tab, at) => tab.ask("a", "send", "lobby", `${at}`));
  await serveAt(t, server.port);
  for (const tab of tabs) assert.equal((await tab.heard("a", "gap")).what.reason, "epoch_changed");
  for (const receipt of sent) assert.equal((await receipt).status, "acked");
  for (const tab of tabs) await tab.heard("a", "ready");
  await tabs[0].ask("a", "send", "lobby", "after");
  for (const [at, tab] of tabs.entries()) {
    await all(tab, [`${at}`, "after"]);
    // What the other has said in the new log before this one was there lies in the gap.
    const others = `${1 - at}`;
    const heard = contents(tab).filter((content) => content != others);
    assert.deepEqual(heard, ["before", `${at}`, "after"]);
    assert.ok(contents(tab).filter((content) => content == others).length <= 1);
  }
  // It has accepted more, while there was no server to pass them on to.
  assert.equal(proxy.open, 1);
});

test("a server that goes away is left by all tabs for one new connection, without a loss", async (t) => {
  const { server, proxy, tab } = await rig(t, { args: ["--drain", "5s"] });
  const tabs = [await tab(), await tab()];
  // The next one listens at another port: a drain ends when the last connection is gone.
  const next = await serve(t);
  proxy.passOnTo(next.port);
  server.kill("SIGTERM");
  await server.exited();
  for (const [at, tab] of tabs.entries()) assert.equal((await tab.ask("a", "send", "lobby", `${at}`)).status, "acked");
  for (const tab of tabs) {
    await all(tab, ["0", "1"]);
    assert.deepEqual(told(tab, "state").filter(({ state }) => state == "reconnecting"), []);
  }
  assert.equal(proxy.accepted, 2);
});

test("on a plain server tabs share too, and say honestly what a new leader means", async (t) => {
  const { proxy, server, tab, empty } = await rig(t);
  const plain = { protocol: "plain" };
  const seen = await witness(t, { server, empty });
  const { leader, others } = await leading([await tab(plain), await tab(plain), await tab(plain)]);
  assert.equal(proxy.accepted, 1);
  await others[0].ask("a", "send", "lobby", "one");
  for (const tab of [leader, ...others]) {
    await all(tab, ["one"]);
    assert.deepEqual(contents(tab), ["one"]);
  }
  await others[0].ask("a", "leave", "lobby");
  await others[1].ask("a", "send", "lobby", "two");
  await all(leader, ["two"]);
  await seen.said("w", "two");
  assert.deepEqual(contents(others[0]), ["one"]);
  await leader.page.close();
  await others[1].heard("a", "gap", ({ reason }) => reason == "reconnected");
  await others[1].heard("a", "ready");
  await others[1].ask("a", "send", "lobby", "three");
  await all(others[1], ["three"]);
  assert.deepEqual(contents(others[1]), ["one", "two", "three"]);
  assert.equal(proxy.accepted, 2);
});

test("a server of others, that knows nothing but the base contract, is shared as well", async (t) => {
  const server = await PlainServer.start(t, "--strict-unknown-frames");
  const { proxy, tab } = await rig(t, { server });
  const plain = { protocol: "plain" };
  const [one, two] = [await tab(plain), await tab(plain)];
  await one.ask("a", "send", "lobby", "from one");
  await two.ask("a", "send", "lobby", "from two");
  for (const tab of [one, two]) {
    await all(tab, ["from one", "from two"]);
    assert.deepEqual(contents(tab), ["from one", "from two"]);
  }
  await one.ask("a", "leave", "lobby");
  await two.ask("a", "send", "lobby", "alone");
  await all(two, ["alone"]);
  assert.equal(proxy.accepted, 1);
  assert.deepEqual(await server.report(), { frames: 4, unknown: [] });
});

for (const [what, remove] of Object.entries({
  "Web Locks are missing": () => Object.defineProperty(navigator, "locks", { value: undefined }),
  "BroadcastChannel is missing": () => (window.BroadcastChannel = undefined),
  "Web Locks may not be used": () => (LockManager.prototype.query = () => Promise.reject(new DOMException("", "SecurityError"))),
})) {
  test(`where ${what} each tab has a connection of its own`, async (t) => {
    const { proxy, empty } = await rig(t);
    for (const count of [1, 2]) {
      const tab = await empty();
      await tab.page.evaluate(remove);
      await tab.start("a", proxy.url, options());
      await tab.heard("a", "ready");
      assert.equal((await tab.ask("a", "send", "lobby", `${count}`)).status, "acked");
      assert.equal(proxy.accepted, count);
    }
  });
}

test("no token is told to another tab, and one that is refused is nobody else's failure", async (t) => {
  const { proxy, tab, empty } = await rig(t);
  const listener = await empty();
  const spy = await empty();
  await spy.page.evaluate(() => {
    window.overheard = "";
    const { open } = { open: (name) => (new BroadcastChannel(name).onmessage = ({ data }) => (window.overheard += JSON.stringify(data))) };
    window.spy = async () => {
      const { held } = await navigator.locks.query();
      for (const { name } of held) if (name.startsWith("[")) open(name);
    };
  });
  // Without a token the server turns the first one away for good. The second has one.
  await listener.start("a", proxy.url, options({ token: undefined }));
  await listener.state("a", "failed");
  const first = await tab({ token: "alice" });
  await spy.page.evaluate(() => window.spy());
  const second = await tab({ token: "alice" });
  await second.ask("a", "setToken", "a-secret");
  await second.ask("a", "send", "lobby", "heard by the spy");
  await first.ask("a", "send", "lobby", "heard by both");
  for (const tab of [first, second]) await all(tab, ["heard by the spy", "heard by both"]);
  const overheard = await spy.page.evaluate(() => window.overheard);
  assert.match(overheard, /heard by the spy/);
  assert.doesNotMatch(overheard, /a-secret|token/);
  assert.equal(proxy.accepted, 2);
});

test("tabs of different users of one origin do not share when they say who they are", async (t) => {
  const { proxy, tab } = await rig(t);
  const alice = await tab({ token: "alice", shareTabs: "alice" });
  const bob = await tab({ token: "bob", shareTabs: "bob" });
  await bob.ask("a", "send", "lobby", "I am bob");
  await alice.heard("a", "message", ({ user, content }) => user == "bob" && content == "I am bob");
  assert.equal(proxy.accepted, 2);
});

test("a page in the back/forward cache has let go of everything, and shares again when it is back", async (t) => {
  const { proxy, address, tab } = await rig(t, { start: browserWithBackForwardCache });
  const { leader, others } = await leading([await tab(), await tab()]);
  await leader.page.evaluate(() => addEventListener("pageshow", ({ persisted }) => (window.persisted = persisted)));
  await leader.page.goto(`${address}/elsewhere.html`);
  assert.equal((await others[0].ask("a", "send", "lobby", "meanwhile")).status, "acked");
  await leader.page.goBack({ waitUntil: "commit" });
  await leader.heard("a", "ready");
  assert.equal(await leader.page.evaluate(() => window.persisted), true);
  await leader.said("a", "meanwhile");
  assert.equal(proxy.accepted, 2);
});

test("a deployment without the part for shared tabs is told so, and other clients work", async (t) => {
  const { proxy, empty } = await rig(t);
  const tab = await empty();
  await tab.page.route("**/tabs.js", (route) => route.abort());
  await tab.start("b", proxy.url, options());
  const { what } = await tab.state("b", "reconnecting");
  assert.equal(what.cause.code, "tabs_failed");
  await tab.ask("b", "close");
  await tab.start("a", proxy.url, options({ shareTabs: undefined }));
  await tab.heard("a", "ready");
});

test("nothing is left after the end: no lock, no channel, no connection", async (t) => {
  const { proxy, tab } = await rig(t);
  const tabs = [await tab(), await tab()];
  for (const tab of tabs) {
    await tab.ask("a", "close");
    await tab.state("a", "closed");
  }
  const left = await tabs[0].page.evaluate(async () => {
    // Locks are let go of in the background.
    for (;;) {
      const { held, pending } = await navigator.locks.query();
      if (!held.length && !pending.length) return;
    }
  });
  assert.equal(left, undefined);
  assert.equal(proxy.accepted, 2);
});

test("a storm from three tabs through leaders that end and connections that are cut: each message once, each tab's in order", async (t) => {
  const { server, proxy, chromium, tab, empty } = await rig(t, { args: ["--rate", "100000", "--history", "20000"] });
  const seen = await empty();
  await seen.start("a", server.url, { token: "walter", rooms: ["lobby"] });
  await seen.heard("a", "ready");
  const spare = [await tab(), await tab()];
  const senders = [await tab(), await tab(), await tab()];
  for (const { page } of [...senders, ...spare, seen]) {
    await page.evaluate(() => {
      // Nobody has to hear each of them at once.
      window.tell = undefined;
      window.heard = [];
      window.gaps = 0;
      window.clients.a.on("message", ({ content }) => window.heard.push(content));
      window.clients.a.on("gap", () => window.gaps++);
    });
  }
  const storms = senders.map(({ page }, at) =>
    page.evaluate(async (at) => {
      let sent = 0;
      while (!window.enough) {
        const some = Array.from({ length: 20 }, () => window.clients.a.send("lobby", `${at} ${sent++}`));
        await Promise.all(some);
      }
      return sent;
    }, at),
  );
  const cut = () => proxy.cut();
  const end = async () => {
    const { leader } = await leading([...spare, ...senders]);
    if (!spare.includes(leader)) {
      // Hidden, perhaps for good: it leaves the lead to the others.
      await leader.page.evaluate(() => {
        dispatchEvent(new Event("pagehide"));
        dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      });
    } else if (spare.splice(spare.indexOf(leader), 1) && spare.length) {
      await crash(chromium, leader);
    } else {
      await leader.page.close();
    }
  };
  // A client dials at most six times in 30 s, for whatever reason.
  for (const disturb of [end, end, cut, end, end]) {
    const heard = await senders[0].page.evaluate(() => window.heard.length);
    await senders[0].page.waitForFunction((heard) => window.heard.length > heard + 50, heard);
    await disturb();
  }
  for (const { page } of senders) await page.evaluate(() => (window.enough = true));
  const counts = await Promise.all(storms);
  const total = counts.reduce((sum, count) => sum + count);
  for (const [at, { page }] of [...senders, seen].entries()) {
    await page.waitForFunction((total) => window.heard.length >= total, total);
    const { heard, gaps } = await page.evaluate(() => ({ heard: window.heard, gaps: window.gaps }));
    assert.equal(gaps, 0);
    for (const [sender, count] of counts.entries()) {
      const wanted = Array.from({ length: count }, (_, number) => `${sender} ${number}`);
      assert.deepEqual(heard.filter((content) => content.startsWith(`${sender} `)), wanted, `of ${sender} as heard by ${at}`);
    }
  }
  t.diagnostic(`${total} messages, ${proxy.accepted} connections`);
});
