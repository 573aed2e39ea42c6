// The page of a chat that has started a server of its own: a terminal and a browser in one room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Process } from "../interop/processes.mjs";
import { browser } from "./page.mjs";

test("a terminal and a browser talk in one room, by the address that the terminal prints", async (t) => {
  const chat = new Process(t, process.env.REJOIN_BIN, ["-r", "kitchen", "--token", "ada"]);
  const { found: line } = await chat.line((line) => line.includes("in the browser: "), "the page's address");
  const context = await browser(t);
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  await page.goto(line.split("in the browser: ")[1].trim());
  await page.getByLabel("Your name").fill("bob");
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "kitchen" }).waitFor();
  await page.getByText(/^connected/).waitFor();
  await page.getByLabel("Message").fill("hello terminal");
  await page.getByRole("button", { name: "Send" }).click();
  await chat.line((line) => line.includes("hello terminal"), "the browser's message");
  chat.write("hello browser\n");
  await page.getByRole("log").getByText("hello browser").waitFor();
  assert.deepEqual(errors, []);
});
