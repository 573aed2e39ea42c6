// The page of a chat that has started a server of its own: a terminal and a browser in one room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Process } from "../interop/processes.mjs";
import { browser } from "./page.mjs";

test("a terminal and a browser talk in one room, by the address that the terminal prints", async (t) => {
  const chat = new Process(t, process.env.REJOIN_BIN, ["-r", "kitchen", "--token", "terry"]);
  const { found: line } = await chat.line((line) => line.includes("in the browser: "), "the page's address");
  const context = await browser(t);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  await page.goto(line.split("in the browser: ")[1].trim());
  const ada = page.getByRole("region", { name: "Ada" });
  const bob = page.getByRole("region", { name: "Bob" });
  await ada.getByText(/^Connected/).waitFor();
  await bob.getByText(/^Connected/).waitFor();
  await ada.getByRole("textbox").fill("hello terminal");
  await ada.getByRole("button", { name: "Send" }).click();
  await chat.line((line) => line.includes("hello terminal"), "the page's message");
  chat.write("hello page\n");
  for (const person of [ada, bob]) await person.getByRole("log").getByText("hello page").waitFor();
  // So do the other pages.
  await page.getByRole("link", { name: "One person" }).click();
  await page.getByLabel("Your name").fill("carol");
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByRole("log").getByText("hello page").waitFor();
  assert.deepEqual(errors, []);
});
