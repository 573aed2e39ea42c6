// The option ticketUrl: each dial has a ticket of its own, against the real server, in a real browser and in Node.

import assert from "node:assert/strict";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { html } from "./builds.mjs";
import { browser, Tab } from "./page.mjs";
import { project } from "./package.mjs";
import { listening, Proxy, site } from "./site.mjs";

const script = `
import { connect } from "./node_modules/rejoin/dist/index.js";
import { connect as socketio } from "./node_modules/rejoin/dist/socketio.js";
import { follow } from "./node_modules/rejoin/dist/sse.js";
Object.assign(window, { clients: [] });
window.start = async (name, url, { kind, tokens, ...options }) => {
  // Functions do not cross the border of a page: the tokens that one gives in turn do.
  if (tokens) options.token = async ({ rejected }) => (rejected ? tokens.splice(0, 1)[0] : tokens[0]);
  const make = { rooms: connect, socketio, sse: follow }[kind];
  const client = await make(url, options);
  window.clients[name] = client;
  for (const event of ["state", "message"]) client.on(event, (what) => window.tell?.({ client: name, event, what }));
  window.tell?.({ client: name, event: "state", what: client.status });
};
document.title = "loaded";
`;

/** A server that knows one token, behind a proxy that can cut, and a page. */
async function rig(t) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "tokens"), "s3cret ada\n");
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*", "--auth", `tokens=${join(folder, "tokens")}`);
  const asked = [];
  /** An endpoint between: what it is asked, and what it says instead of the server. */
  let says;
  const tickets = createServer(async (request, response) => {
    asked.push(request.headers.authorization ?? request.headers.cookie ?? "nobody");
    const cors = { "access-control-allow-origin": request.headers.origin ?? "*", "access-control-allow-credentials": "true", "access-control-allow-headers": "authorization" };
    if (request.method == "OPTIONS") {
      asked.pop();
      return response.writeHead(204, cors).end();
    }
    if (says) return response.writeHead(says, cors).end();
    const bearer = request.headers.authorization ?? "Bearer s3cret";
    const answer = await fetch(`http://127.0.0.1:${server.port}/tickets`, { method: "POST", headers: { authorization: bearer } });
    response.writeHead(answer.status, { ...cors, "content-type": "application/json" });
    response.end(await answer.text());
  });
  const ticketUrl = `http://127.0.0.1:${await listening(t, tickets)}/tickets`;
  const root = project(t, { "index.html": html('<script type="module" src="page.js"></script>'), "page.js": script });
  const tab = await Tab.open(t, await browser(t), await site(t, root));
  return { server, tab, asked, ticketUrl, say: (status) => (says = status) };
}

for (const kind of ["rooms", "socketio", "sse"]) {
  test(`${kind}: each dial asks for a ticket, and no token stands anywhere else`, async (t) => {
    const { server, tab, asked, ticketUrl } = await rig(t);
    const proxy = await Proxy.start(t, server.port);
    const address = `http://${new URL(proxy.url).host}`;
    const url = kind == "rooms" ? proxy.url : address;
    await tab.start("a", url, { kind, ticketUrl, tokens: ["s3cret"], ...(kind == "sse" ? { room: "lobby" } : { rooms: ["lobby"] }) });
    await tab.heard("a", "state", ({ state }) => state == "connected");
    assert.deepEqual(asked, ["Bearer s3cret"]);
    for (let dial = 2; dial <= 3; dial++) {
      proxy.cut();
      await tab.heard("a", "state", ({ state }) => state == "reconnecting");
      await tab.heard("a", "state", ({ state }) => state == "connected");
      assert.deepEqual(asked, Array(dial).fill("Bearer s3cret"), "one for each dial, and none was refused");
    }
  });
}

test("a token that is a text is in no address either, not even in that of the first dial", async (t) => {
  const { server, tab, asked, ticketUrl } = await rig(t);
  const dialled = [];
  tab.page.on("websocket", (socket) => dialled.push(new URL(socket.url()).searchParams));
  await tab.start("a", `ws://127.0.0.1:${server.port}/ws`, { kind: "rooms", ticketUrl, token: "s3cret" });
  await tab.heard("a", "state", ({ state }) => state == "connected");
  assert.deepEqual(asked, ["Bearer s3cret"]);
  assert.equal(dialled.length, 1);
  assert.match(dialled[0].get("ticket"), /^rejoin-ticket-/);
  assert.equal(dialled[0].get("token"), null);
});

test("without a token the page's cookies say who it is", async (t) => {
  const { server, tab, asked, ticketUrl } = await rig(t);
  await tab.start("a", `ws://127.0.0.1:${server.port}/ws`, { kind: "rooms", ticketUrl });
  await tab.heard("a", "state", ({ state }) => state == "connected");
  assert.deepEqual(asked, ["nobody"]);
});

test("where there is no ticket the client comes back later, and after a refusal asks its token function once more", async (t) => {
  const { server, tab, asked, ticketUrl, say } = await rig(t);
  say(500);
  await tab.start("a", `ws://127.0.0.1:${server.port}/ws`, { kind: "rooms", ticketUrl, tokens: ["s3cret"] });
  await tab.heard("a", "state", ({ cause }) => cause?.code == "token_unavailable");
  say(undefined);
  await tab.heard("a", "state", ({ state }) => state == "connected");
  await tab.start("f", `ws://127.0.0.1:${server.port}/ws`, { kind: "rooms", ticketUrl, tokens: ["wrong", "worse"] });
  const { what, skipped } = await tab.heard("f", "state", ({ state }) => state == "failed");
  assert.deepEqual([what.cause.code, what.cause.number], ["unauthorized", 401]);
  assert.ok(!skipped.some(({ client, what }) => client == "f" && what.state == "connected"), "no socket was opened");
  assert.equal(await tab.page.evaluate(() => window.clients.f.diagnostics().connections), 0);
  asked.length = 0;
  for (const kind of ["rooms", "socketio", "sse"]) {
    const url = kind == "rooms" ? `ws://127.0.0.1:${server.port}/ws` : `http://127.0.0.1:${server.port}`;
    await tab.start(kind, url, { kind, ticketUrl, token: "wrong", ...(kind == "sse" ? { room: "lobby" } : {}) });
    const failed = await tab.heard(kind, "state", ({ state }) => state == "failed");
    assert.equal(failed.what.cause.code, "unauthorized", kind);
  }
  assert.ok(asked.length <= 6, `asked again and again: ${asked}`);
});
