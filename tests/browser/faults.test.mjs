// The promise of the extended protocol through a network with every fault there is, judged by the ledger that judges
// the native client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultProxy, RejoinServer } from "../interop/processes.mjs";
import { browser, pages, Tab } from "./page.mjs";

// So many that every kind of fault has its turn: a connection that is only slow at first stays for good.
const CLIENTS = 10;
const MESSAGES = 1000;

/** In the page: everybody talks, a window at a time, and notes what became of it. */
async function talk([url, clients, messages]) {
  window.tell = undefined;
  const names = Array.from({ length: clients }, (_, number) => `u${number}`);
  const accounts = (window.accounts = Object.fromEntries(names.map((name) => [name, []])));
  const say = (window.say = async (name, send, content) => {
    accounts[name].push({ type: "sent", send, content });
    const outcome = await window.clients[name].send("lobby", content).catch(({ outcome }) => ({ status: outcome }));
    accounts[name].push({ type: "outcome", send, ...outcome });
  });
  for (const name of names) {
    await window.start(name, url, { token: name, rooms: ["lobby"] });
    const client = window.clients[name];
    const note = accounts[name];
    client.on("gap", (gap) => note.push({ type: "gap", ...gap }));
    client.on("message", ({ user, content, position }) => note.push({ type: "message", user, content, ...position }));
  }
  // Who is not a member yet is owed nothing, so nobody speaks before all are there.
  await Promise.all(names.map((name) => window.clients[name].ready()));
  await Promise.all(
    names.map(async (name) => {
      let under = new Set();
      for (let send = 0; send < messages; send++) {
        while (under.size >= 400) await Promise.race(under);
        const one = say(name, send, `${name}:${send}`).finally(() => under.delete(one));
        under.add(one);
      }
      await Promise.all(under);
    }),
  );
}

/** In the page: the network is good again, one says farewell, and everybody has heard it. */
async function part(messages) {
  const names = Object.keys(window.accounts);
  const heard = Promise.all(
    names.map((name) => new Promise((resolve) => window.clients[name].on("message", ({ content }) => content == "farewell" && resolve()))),
  );
  for (const name of names) window.clients[name].reconnect();
  await window.say(names[0], messages, "farewell");
  await heard;
  await Promise.all(names.map((name) => window.clients[name].close()));
  // As text: Playwright takes ten seconds to copy so many objects.
  return JSON.stringify(window.accounts);
}

test("ten thousand messages through resets, half-open connections, splits, stalls and drips arrive exactly once", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", "--history", "20000", "--heartbeat", "5s");
  const proxy = await FaultProxy.start(t, server.port, 20);
  const tab = await Tab.open(t, await browser(t), await pages(t));
  await tab.page.evaluate(talk, [proxy.url, CLIENTS, MESSAGES]);
  await proxy.calmDown();
  const accounts = JSON.parse(await tab.page.evaluate(part, MESSAGES));
  const { messages, suffered } = await proxy.judge(accounts);
  assert.equal(messages, CLIENTS * MESSAGES + 1);
  for (const fault of ["reset", "half_open", "split", "stall", "drip"]) assert.ok(suffered[fault] > 0, JSON.stringify(suffered));
  assert.deepEqual(tab.errors.filter((error) => !/WebSocket connection|ERR_/.test(error)), []);
});

test("the ledger refuses what cannot be true of a page's accounts", async (t) => {
  const at = (seq, content = `c${seq}`) => ({ type: "message", user: "a", content, epoch: "e", seq, id: `m${seq}` });
  const sent = (send, content) => [{ type: "sent", send, content }, { type: "outcome", send, status: "acked", id: `m${send}`, seq: send }];
  const honest = [...sent(1, "c1"), ...sent(2, "c2"), at(1), at(2)];
  const proxy = await FaultProxy.start(t, 9, 1);
  assert.equal((await proxy.judge({ a: honest, b: [at(1), at(2)] })).messages, 2);
  // A second line of the same name goes on with the account.
  const piecemeal = await FaultProxy.start(t, 9, 1);
  for (const line of sent(1, "c1")) for (const next of [{ type: "account", name: "a" }, line]) piecemeal.put(next);
  piecemeal.put(at(1));
  assert.equal((await piecemeal.judge({ b: [at(1)], a: [] })).messages, 1);
  for (const [why, accounts] of [
    [/came twice/, { a: [...honest, at(3, "c2")] }],
    [/misses 1 messages/, { a: honest, b: [at(1)] }],
    [/with the gaps/, { a: [...sent(1, "c1"), at(1), at(3)] }],
    [/nobody said/, { a: [...honest, at(3)] }],
    [/acked and nowhere/, { a: sent(1, "c1") }],
    [/has no outcome/, { a: [{ type: "sent", send: 1, content: "c1" }, at(1)] }],
    [/has failed/, { a: [{ type: "sent", send: 1, content: "c1" }, { type: "outcome", send: 1, status: "failed" }] }],
    [/is unknown/, { a: [{ type: "sent", send: 1, content: "c1" }, { type: "outcome", send: 1, status: "unknown" }] }],
  ]) {
    const proxy = await FaultProxy.start(t, 9, 1);
    await assert.rejects(proxy.judge(accounts), why);
  }
});
