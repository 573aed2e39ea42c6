// The chat in one file, copied to a folder of its own and opened from the disk.

import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { RejoinServer } from "../interop/processes.mjs";
import { root } from "./installed.mjs";
import { browser } from "./page.mjs";
import { Proxy } from "./site.mjs";

/** Copies the file, opens it and enters the lobby. */
async function enter(t, url, name) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-single-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "chat.html");
  copyFileSync(join(root, "node_modules/rejoin/dist/chat.html"), file);
  const page = await (await browser(t)).newPage();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  await page.getByLabel("Server").fill(url);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
  const say = async (text) => {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
  };
  return { page, requests, say, log: page.getByRole("log"), status: (text) => page.getByRole("status").filter({ hasText: text }).waitFor() };
}

test("two copies talk, and what is written in a tunnel arrives once", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "null");
  const proxy = await Proxy.start(t, server.port);
  const alice = await enter(t, proxy.url, "alice");
  const bob = await enter(t, server.url, "bob");
  await alice.status("Connected");
  await bob.status("Connected");
  await alice.say("hello <b>bob</b>");
  await bob.log.getByText("alice: hello <b>bob</b>").waitFor();
  proxy.refuse();
  await alice.status(/^No connection, trying again/);
  await alice.say("from a tunnel");
  await alice.log.getByText("from a tunnel (waiting)").waitFor();
  proxy.allow();
  await bob.log.getByText("alice: from a tunnel").waitFor();
  await alice.log.getByText("alice: from a tunnel").waitFor();
  await alice.log.getByText("(waiting)").waitFor({ state: "detached" });
  assert.equal(await bob.log.getByText("from a tunnel").count(), 1);
  // Nothing is fetched: all of it is in the file.
  assert.equal(alice.requests.length, 1);
});

test("an address that is none is named, and may be corrected", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "null");
  const { page, status } = await enter(t, "ftp://nowhere", "alice");
  await status("not the address of a room server");
  await page.getByLabel("Server").fill(server.url);
  await page.getByRole("button", { name: "Enter" }).click();
  await status("Connected");
});
