// The chat that the reference server shows at /demo/, as a person meets it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { browser } from "./page.mjs";

const wide = { width: 1200, height: 760 };
const narrow = { width: 390, height: 780 };

async function enter(t, server, name, options = {}) {
  const context = await browser(t, { viewport: wide, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${server.port}/demo/`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByText(/^connected/).waitFor();
  const say = async (text) => {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  return { page, errors, say, log: page.getByRole("log") };
}

/** Keeps a picture where a person asked for one. */
async function picture(page, name) {
  if (process.env.REJOIN_PICTURES) await page.screenshot({ path: `${process.env.REJOIN_PICTURES}/${name}.png` });
}

test("two people talk, one loses the network and misses nothing that can be had", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const alice = await enter(t, server, "alice");
  const bob = await enter(t, server, "bob", { colorScheme: "dark" });
  await alice.log.getByText("bob joined").waitFor();
  await alice.say("hello <b>bob</b>");
  await bob.log.getByText("hello <b>bob</b>", { exact: true }).waitFor();
  await bob.say("hello alice");
  await alice.log.getByText("hello alice").waitFor();
  await picture(alice.page, "wide-light");
  await picture(bob.page, "wide-dark");

  await alice.page.getByRole("button", { name: "No network" }).click();
  await alice.page.getByText(/^reconnecting — connection lost.*attempt \d+ in \d+ s/).waitFor();
  await alice.say("written in a tunnel");
  await alice.log.locator(".pending", { hasText: "written in a tunnel" }).waitFor();
  await picture(alice.page, "wide-lost");
  await alice.page.getByRole("button", { name: "No network" }).click();
  await alice.page.getByRole("button", { name: "Try now" }).click();
  await bob.log.getByText("written in a tunnel").waitFor();
  await alice.log.locator(":not(.pending)", { hasText: "written in a tunnel" }).first().waitFor();
  assert.equal(await alice.log.getByText("written in a tunnel").count(), 1);

  await bob.page.setViewportSize(narrow);
  await picture(bob.page, "narrow-dark");
  await alice.page.setViewportSize(narrow);
  await picture(alice.page, "narrow-light");
  assert.deepEqual([...alice.errors, ...bob.errors], []);
});

test("rooms are joined and left from the page, and everything is reached by keyboard", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors, say, log } = await enter(t, server, "carol");
  await page.getByLabel("Another room").fill("kitchen");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "kitchen" }).waitFor();
  await say("anybody cooking?");
  await log.getByText("anybody cooking?").waitFor();
  await page.getByRole("button", { name: "Leave kitchen" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "lobby" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "kitchen", exact: true }).count(), 0);
  assert.deepEqual(errors, []);
});

test("the page allows nothing from elsewhere and no inline script", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const response = await fetch(`http://127.0.0.1:${server.port}/demo/`);
  const policy = response.headers.get("content-security-policy");
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /'unsafe-inline'|'unsafe-eval'|\*|https?:/);
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/demo/nothing`)).status, 404);
});
