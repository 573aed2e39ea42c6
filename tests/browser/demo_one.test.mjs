// /demo/one.html: a chat for one person.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { demo, inspect } from "./demo.mjs";

async function enter(t, server, name) {
  const { page, errors } = await demo(t, server.port, "one.html");
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByText(/^Connected/).waitFor();
  const say = async (text) => {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  return { page, errors, say, log: page.getByRole("log") };
}

test("two people talk, one loses the network and misses nothing that can be had", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const alice = await enter(t, server, "alice");
  const bob = await enter(t, server, "bob");
  await alice.log.getByText("bob joined").waitFor();
  await alice.say("hello <b>bob</b>");
  await bob.log.getByText("hello <b>bob</b>", { exact: true }).waitFor();
  await bob.say("hello alice");
  await alice.log.getByText("hello alice").waitFor();

  await alice.page.getByRole("radio", { name: "Cut" }).check();
  await alice.page.getByText(/^No connection, trying (again in \d+ s|now)$/).waitFor();
  await alice.say("written in a tunnel");
  await alice.log.locator(".pending", { hasText: "written in a tunnel" }).getByText("waiting").waitFor();
  await inspect(alice.page, "one-cut");
  await alice.page.getByRole("radio", { name: "Whole" }).check();
  await bob.log.getByText("written in a tunnel").waitFor();
  await alice.log.locator(":not(.pending)", { hasText: "written in a tunnel" }).first().waitFor();
  assert.equal(await alice.log.getByText("written in a tunnel").count(), 1);

  await bob.page.getByRole("radio", { name: "Frozen" }).check();
  await bob.page.getByText("Checking whether the server still answers").waitFor();
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

test("a room with a long name leaves its button alone, and on a narrow screen the field for another room stays", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors } = await enter(t, server, "dora");
  const join = async (room) => {
    await page.getByLabel("Another room").fill(room);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: room, exact: true }).waitFor();
  };
  const long = "kitchen-of-the-fourth-floor";
  await join(long);
  // At one moment: the list is drawn anew when something happens in a room.
  const [right, left, end, places, isCut] = await page.evaluate((room) => {
    const [open, leave] = [...document.querySelectorAll("#rooms button")].filter((button) => button.textContent == room || button.ariaLabel == `Leave ${room}`);
    const edges = [open.getBoundingClientRect().right, leave.getBoundingClientRect().left, leave.getBoundingClientRect().right];
    const isCut = open.scrollWidth > open.clientWidth && getComputedStyle(open).textOverflow == "ellipsis";
    return [...edges, document.querySelector("#places").getBoundingClientRect().right, isCut];
  }, long);
  assert.ok(right <= left && end <= places && isCut, JSON.stringify([right, left, end, places, isCut]));
  await join("garden");
  await join("cellar");
  await inspect(page, "one-rooms");
  await page.setViewportSize({ width: 380, height: 780 });
  for (const part of [page.getByLabel("Another room"), page.getByRole("button", { name: "Join" })]) {
    const { x, width } = await part.boundingBox();
    assert.ok(x >= 0 && x + width <= 380, `${x} + ${width}`);
  }
  assert.deepEqual(errors, []);
});

test("a room that cannot be joined is told in words, and the one that is open stays", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors, log } = await enter(t, server, "emil");
  await page.getByLabel("Another room").fill("@me");
  await page.keyboard.press("Enter");
  await log.getByText("not a room name: give 1-128 visible characters, no @ first").waitFor();
  await page.getByRole("heading", { name: "lobby" }).waitFor();
  assert.deepEqual(errors, []);
});

test("who is connected is offered no other try", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors } = await enter(t, server, "fritz");
  const retry = page.getByRole("button", { name: "Try now" });
  await retry.waitFor({ state: "hidden" });
  await page.getByRole("radio", { name: "Cut" }).check();
  await retry.waitFor();
  await page.getByRole("radio", { name: "Whole" }).check();
  await page.getByText(/^Connected/).waitFor();
  await retry.waitFor({ state: "hidden" });
  assert.deepEqual(errors, []);
});

test("the question for a name can be read by everybody", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors } = await demo(t, server.port, "one.html");
  await page.getByLabel("Your name").waitFor();
  await inspect(page, "one-name");
  assert.deepEqual(errors, []);
});

test("the name that is proposed is written over at once, and is taken by whoever leaves the dialog with Escape", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors } = await demo(t, server.port, "one.html");
  const field = page.getByLabel("Your name");
  await field.waitFor();
  const proposed = await field.inputValue();
  await page.keyboard.type("ada");
  assert.equal(await field.inputValue(), "ada");
  await page.keyboard.press("Escape");
  await page.getByText(/^Connected/).waitFor();
  await page.getByRole("listitem").getByText(proposed).first().waitFor();
  assert.deepEqual(errors, []);
});
