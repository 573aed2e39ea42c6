// Addresses that a page may not dial: mixed content, and what its content security policy does not name. The reason and what to
// do are told, and the client stays of use.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { browser, pages, strict, Tab } from "./page.mjs";

const SECRET = "s3cret-token";

/** What a user is asked for when a page from elsewhere dials this machine. */
const mayDialHere = { permissions: ["local-network-access"] };

/** `context`: options of the visitor's browser. */
async function rig(t, headers, context) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  const chromium = await browser(t, context);
  return { server, chromium, address: await pages(t, headers) };
}

/** The same site on https://, which no certificate is needed for: the browser never dials it. */
async function secured(chromium, address) {
  await chromium.route("https://app.test/**", async (route) => {
    const { pathname } = new URL(route.request().url());
    await route.fulfill({ response: await route.fetch({ url: address + pathname }) });
  });
  return "https://app.test/";
}

async function staysOfUse(tab, server) {
  const { what } = await tab.heard("a", "state", ({ state }) => state == "reconnecting");
  assert.deepEqual([what.cause.code, what.cause.willRetry], ["blocked", true]);
  assert.match(what.cause.text, /connect-src.*wss:\/\//);
  await tab.ask("a", "setToken", SECRET);
  await tab.ask("a", "reconnect");
  await tab.heard("a", "state", ({ cause }) => cause?.code == "blocked");
  const late = await tab.ask("a", "send", "lobby", "x", { timeout: 50 });
  assert.deepEqual([late.outcome, late.code], ["failed", "timeout"]);
  await tab.ask("a", "close");
  await tab.state("a", "closed");
  assert.ok(!JSON.stringify(tab.events.entries).includes(SECRET));
}

test("a page on https:// is told at once that ws:// is mixed content, and may still dial this machine", async (t) => {
  const { server, chromium, address } = await rig(t, strict, mayDialHere);
  const tab = await Tab.open(t, chromium, await secured(chromium, address));
  const refused = await tab.page.evaluate(async () => {
    const error = await window.connect("ws://chat.example/ws").catch((error) => error);
    return [error instanceof window.RejoinError, error.code, error.hint];
  });
  assert.deepEqual(refused, [true, "mixed_content", "use wss://"]);
  await tab.start("b", server.url, { token: "bob", rooms: ["lobby"] });
  await tab.heard("b", "ready");
});

test("where only the browser knows that it is mixed content, the cause says so", async (t) => {
  const headers = { "content-security-policy": `${strict["content-security-policy"]} ws://chat.example` };
  const { server, chromium, address } = await rig(t, headers, mayDialHere);
  const tab = await Tab.open(t, chromium, await secured(chromium, address));
  // A frame without an address of its own, in a page on https://.
  await tab.page.evaluate(() => {
    const frame = document.createElement("iframe");
    frame.srcdoc = '<!doctype html><title>…</title><script type="module" src="/page.js"></script>';
    document.body.append(frame);
  });
  await tab.page.waitForFunction(() => window[0]?.document.title == "loaded");
  const inner = await tab.within(tab.page.frames()[1]);
  await inner.start("a", "ws://chat.example/ws", { token: SECRET, rooms: ["lobby"] });
  await staysOfUse(inner, server);
  await inner.start("c", ["ws://chat.example/ws", server.url], { token: "carol", rooms: ["lobby"] });
  await inner.heard("c", "ready");
});

test("a policy that does not name the server is the cause, and not a server that does not answer", async (t) => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
  const { server, chromium, address } = await rig(t, { "content-security-policy": policy });
  const tab = await Tab.open(t, chromium, address);
  await tab.start("a", server.url, { token: SECRET, rooms: ["lobby"] });
  await staysOfUse(tab, server);
  assert.ok(!tab.events.entries.some(({ what }) => what?.cause?.code == "dial_timeout"));
});

test("a policy that only reports forbids nothing", async (t) => {
  const { server, chromium, address } = await rig(t, { "content-security-policy-report-only": "connect-src 'self'" });
  const tab = await Tab.open(t, chromium, address);
  await tab.page.evaluate(() => {
    window.reported = [];
    addEventListener("securitypolicyviolation", ({ disposition }) => window.reported.push(disposition));
  });
  await tab.start("a", server.url, { token: "alice", rooms: ["lobby"] });
  await tab.heard("a", "ready");
  await tab.page.waitForFunction(() => window.reported.length > 0);
  assert.equal((await tab.ask("a", "diagnostics")).dials, 1);
  assert.equal((await tab.ask("a", "send", "lobby", "hi")).status, "acked");
});
