// /demo/compare.html: this client beside socket.io-client, with the same cuts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { demo, inspect } from "./demo.mjs";

test("three clients write over cables that are cut alike; of ours each message arrives, each once", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const { page, errors } = await demo(t, server.port, "compare.html");
  await page.getByText("Ready", { exact: true }).waitFor();
  assert.equal(await page.locator("#clients").getByText("Connecting", { exact: true }).count(), 0, "nothing is connecting yet");
  await page.getByRole("button", { name: "Run it" }).press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Run it");
  await page.getByText("under way").first().waitFor();
  await page.getByText("Done", { exact: true }).waitFor({ timeout: 90_000 });
  await inspect(page, "compare-end");
  const cards = await page.locator("#clients section").all();
  assert.equal(cards.length, 3);
  for (const card of cards) {
    const count = async (what) => Number(await card.locator(`[data-count="${what}"]`).textContent());
    for (const way of ["up", "down"]) {
      assert.ok((await count(`${way}.written`)) > 20);
      assert.equal((await count(`${way}.arrived`)) + (await count(`${way}.missing`)), await count(`${way}.written`));
    }
  }
  assert.equal(await cards[0].locator(".verdict").textContent(), "Each arrived, each once");
  assert.deepEqual(errors, []);
});
