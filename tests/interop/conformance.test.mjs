// The conformance kit, on a server that shares no code with ours: it passes, and each way to break the contract is noticed.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PlainServer, Rejoin } from "./processes.mjs";
import { WRONG_MODES } from "./wrong-delivery.mjs";

/** What the kit prints of a server, and its status. */
async function judged(t, ...args) {
  const server = await PlainServer.start(t, ...args);
  const kit = new Rejoin(t, "conformance", server.url, "--json", "--timeout", "1");
  const status = await kit.exited();
  const checks = kit.lines.entries.map((line) => JSON.parse(line));
  const results = Object.fromEntries(["ok", "warning", "failed", "not_tried"].map((one) => [one, checks.filter(({ result }) => result == one)]));
  return { status, results, stderr: kit.stderr };
}

describe("the conformance kit on a plain server", { concurrency: 3 }, () => {
  it("passes it, and does not try what it does not offer", async (t) => {
    const { status, results, stderr } = await judged(t);
    assert.equal(status, 0, `${JSON.stringify(results)} ${stderr}`);
    assert.ok(results.ok.length > 12 && results.not_tried.length > 20, JSON.stringify(results));
    assert.deepEqual(results.failed, []);
  });

  it("warns of a server without leave_room, and passes it", async (t) => {
    const { status, results } = await judged(t, "--no-leave");
    assert.equal(status, 0);
    assert.ok(results.warning.some(({ check }) => check.includes("leave_room")), JSON.stringify(results));
  });

  for (const mode of WRONG_MODES) {
    it(`notices ${mode}`, async (t) => {
      const { status, results, stderr } = await judged(t, "--wrong", mode);
      assert.equal(status, 1, stderr);
      assert.ok(results.failed.length > 0 && results.failed.every(({ detail }) => detail), JSON.stringify(results));
    });
  }
});
