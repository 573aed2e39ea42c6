// One connection for all tabs (option shareTabs): in a real Chromium, with its locks, channels, crashes and freezes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PlainServer, RejoinServer } from "../interop/processes.mjs";
import { browser, pages, Tab } from "./page.mjs";
import { Proxy } from "./site.mjs";

const options = (more) => ({ token: "alice", rooms: ["lobby"], shareTabs: true, ...more });

/** A server, a proxy that counts and cuts connections, and tabs of one origin with a client `a` each. */
async function rig(t, { server: start = serve, context = {}, args = [] } = {}) {
  const server = await start(t, ...args);
  const proxy = await Proxy.start(t, server.port);
  const chromium = await browser(t, context);
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

const serve = (t, ...args) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", ...args);

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
  const leads = await Promise.all(
    tabs.map(({ page }) =>
      page.evaluate(async () => {
        const { held } = await navigator.locks.query();
        const lead = held.find(({ name }) => name.startsWith("[")).clientId;
        // The lock that is asked for and not waited for says whose page this is.
        return navigator.locks.request(`${Math.random()}`, async ({ name }) => {
          const { held } = await navigator.locks.query();
          return held.find((lock) => lock.name == name).clientId == lead;
        });
      }),
    ),
  );
  const at = leads.indexOf(true);
  return { leader: tabs[at], others: tabs.filter((_, other) => other != at) };
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
