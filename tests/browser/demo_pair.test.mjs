// /demo/: two people side by side, each on a cable that the visitor cuts, freezes and slows.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { demo, inspect } from "./demo.mjs";

const start = (t) => RejoinServer.start(t, "--listen", "127.0.0.1:0");

/** The part of the page that is one person's. */
function person(page, name) {
  const part = page.getByRole("region", { name });
  return {
    log: part.getByRole("log"),
    state: part.getByRole("status"),
    cable: (state) => part.getByRole("radio", { name: state }).check(),
    write: async (text) => {
      await part.getByRole("textbox").fill(text);
      await part.getByRole("button", { name: "Send" }).click();
    },
    connected: () => part.getByText(/^Connected/).waitFor(),
    marked: (text, mark) => part.getByRole("listitem").filter({ hasText: text }).filter({ hasText: mark }).waitFor(),
  };
}

async function pair(t, server, path) {
  const { page, errors } = await demo(t, server.port, path);
  const [ada, bob] = [person(page, "Ada"), person(page, "Bob")];
  await ada.connected();
  await bob.connected();
  return { page, errors, ada, bob };
}

test("what two people write in tunnels arrives once, and the closing line counts it", async (t) => {
  const { page, errors, ada, bob } = await pair(t, await start(t));
  await ada.write("hello <b>bob</b>");
  await bob.log.getByText("hello <b>bob</b>", { exact: true }).waitFor();
  await ada.cable("Cut");
  await ada.state.getByText(/^No connection, trying (again in \d+ s|now)$/).waitFor();
  for (const text of ["one", "two", "three"]) {
    await ada.write(text);
    await ada.marked(text, "waiting");
  }
  await bob.write("where are you?");
  await bob.marked("where are you?", "acknowledged");
  await page.getByText("3 written in the tunnel, 0 delivered, 0 twice").waitFor();
  await inspect(page, "pair-tunnel");
  await ada.cable("Whole");
  await ada.log.getByText("1 written meanwhile, fetched now").waitFor();
  await page.locator("#count").getByText("3 written in the tunnel, 3 delivered, 0 twice").waitFor();
  for (const text of ["one", "two", "three"]) {
    await ada.marked(text, "acknowledged");
    assert.equal(await ada.log.locator(".message", { hasText: text }).first().evaluate((item) => getComputedStyle(item).borderStyle), "solid");
    assert.equal(await bob.log.getByText(text, { exact: true }).count(), 1);
  }
  await ada.log.getByText("3 written in the tunnel, 3 delivered, 0 twice").waitFor();
  await inspect(page, "pair-end");
  assert.deepEqual(errors, []);
});

test("while a cable is frozen the page says that it is checking, and what was written arrives once", async (t) => {
  const { page, errors, ada, bob } = await pair(t, await start(t));
  await bob.cable("Frozen");
  await bob.write("nobody hears me");
  await bob.state.getByText("Checking whether the server still answers").waitFor();
  assert.equal(await bob.state.getAttribute("data-light"), "wait");
  await inspect(page, "pair-frozen");
  await bob.cable("Whole");
  await bob.connected();
  await ada.log.getByText("nobody hears me").waitFor();
  await page.locator("#count").getByText("1 written in the tunnel, 1 delivered, 0 twice").waitFor();
  assert.deepEqual(errors, []);
});

test("a frozen cable that nobody writes on is doubted too", async (t) => {
  const { ada } = await pair(t, await start(t));
  await ada.cable("Frozen");
  await ada.state.getByText("Checking whether the server still answers").waitFor();
});

test("what nobody can say any more is called unknown, and is not counted as delivered", async (t) => {
  const server = await start(t);
  const { page, ada } = await pair(t, server);
  await ada.cable("Frozen");
  await ada.write("was it stored?");
  // Another process has no log, and does not know what the first one has stored.
  server.kill("SIGKILL");
  await server.exited();
  await RejoinServer.start(t, "--listen", `127.0.0.1:${server.port}`);
  await ada.cable("Whole");
  await ada.marked("was it stored?", "unknown: nobody can say whether this arrived");
  await page.locator("#count").getByText("1 written in the tunnel, 0 delivered, 0 twice, 1 unknown").waitFor();
  assert.equal(await page.locator("#count").getAttribute("data-good"), "false");
  await inspect(page, "pair-unknown");
});

test("what was under way when a slow cable was cut arrives once and in order", async (t) => {
  const { errors, ada, bob } = await pair(t, await start(t));
  await ada.cable("Slow");
  for (const text of ["first", "second", "third"]) await ada.write(text);
  await ada.cable("Cut");
  await ada.cable("Whole");
  await ada.marked("third", "acknowledged");
  await bob.log.getByText("third").waitFor();
  assert.deepEqual(await bob.log.locator(".message .content").allTextContents(), ["first", "second", "third"]);
  assert.deepEqual(errors, []);
});

test("the room has a past, and a reload shows it", async (t) => {
  const { page, ada, bob } = await pair(t, await start(t));
  await ada.write("before the reload");
  await bob.log.getByText("before the reload").waitFor();
  await page.reload();
  for (const { log } of [ada, bob]) {
    await log.getByText("earlier", { exact: true }).waitFor();
    await log.getByText("before the reload").waitFor();
    await log.getByText("now", { exact: true }).waitFor();
  }
});

test("where a token is wanted the page says which page takes it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-demo-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tokens = join(folder, "tokens");
  writeFileSync(tokens, "secret carol\n", { mode: 0o600 });
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--auth", `tokens=${tokens}`);
  const { page } = await demo(t, server.port);
  await person(page, "Ada").log.getByText("this server wants a token: the page for one person takes yours").waitFor();
  await page.getByRole("link", { name: "One person" }).click();
  await page.getByLabel("Your name").fill("secret");
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByText(/^Connected/).waitFor();
});

test("everything is reached by keyboard", async (t) => {
  const { page, ada, bob } = await pair(t, await start(t));
  await page.getByRole("region", { name: "Ada" }).getByRole("radio", { name: "Whole" }).focus();
  await page.keyboard.press("ArrowLeft");
  await ada.log.getByText("the cable is cut").waitFor();
  await page.keyboard.press("ArrowRight");
  await ada.connected();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await bob.log.getByText("by keyboard").waitFor();
});

test("the page plays it to who only looks", async (t) => {
  const { page, errors } = await pair(t, await start(t));
  await page.getByRole("button", { name: "Show me" }).press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Show me");
  await page.locator("#count").getByText("4 written in the tunnel, 4 delivered, 0 twice").waitFor();
  assert.deepEqual(errors, []);
});
