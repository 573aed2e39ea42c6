// tests/run and the runner of its test files end by themselves, whatever hangs, and nothing they started lives on.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Runs a command that starts processes and writes their ids down; gives its status, what it printed, and the ids. */
async function ended(t, command, args, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-runner-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pids = join(folder, "pids");
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env, FIXTURE_PIDS: pids },
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (printed += data));
  const status = await new Promise((resolve) => child.on("close", (code, signal) => resolve(signal ?? code)));
  return { status, printed, pids: readFileSync(pids, "utf8").trim().split("\n") };
}

/** Whether a process runs; one that only waits to be noticed as ended does not. */
function runs(pid) {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("a step that hangs is ended with its limit, and with it what it has started", async (t) => {
  const { status, printed, pids } = await ended(t, here("../run"), ["script", here("fixtures/hangs.sh")], { TESTS_STEP_LIMIT: "1" });
  assert.equal(status, 1);
  assert.match(printed, /script has not ended in 1 s/);
  assert.match(printed, /failed steps: script/);
  assert.equal(pids.length, 3);
  assert.deepEqual(pids.filter(runs), []);
});

test("what a step that passes leaves behind is ended too, and does not hold the run up", async (t) => {
  const { status, printed, pids } = await ended(t, here("../run"), ["script", here("fixtures/hangs.sh"), "no"]);
  assert.equal(status, 0);
  assert.match(printed, /still running, ended: sleep/);
  assert.deepEqual(pids.filter(runs), []);
});

test("a run that is interrupted ends what it has started", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-runner-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pids = join(folder, "pids");
  const child = spawn(here("../run"), ["script", here("fixtures/hangs.sh")], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, FIXTURE_PIDS: pids },
  });
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(signal ?? code)));
  let printed = "";
  for await (const data of child.stdout) {
    printed += data;
    if (printed.includes("hanging") && !child.killed) child.kill("SIGTERM");
  }
  assert.equal(await ended, 143);
  assert.deepEqual(readFileSync(pids, "utf8").trim().split("\n").filter(runs), []);
});

const files = (t, env = {}) => ended(t, process.execPath, [here("files.mjs"), "--limit", "1", here("fixtures/hangs.mjs")], env);

test("a test that hangs fails alone after its limit, and its children end with the file", async (t) => {
  const { status, printed, pids } = await files(t);
  assert.equal(status, 1);
  assert.match(printed, /FAIL .*hangs\.mjs › waits for what never comes\n +'test timed out after 1000ms'/);
  assert.match(printed, /PASS .*hangs\.mjs › comes after it/);
  assert.equal(pids.length, 2);
  assert.deepEqual(pids.filter(runs), []);
});

test("a test that lets no timer run is ended from outside", async (t) => {
  const { status, printed, pids } = await files(t, { FIXTURE_BLOCKS: "yes" });
  assert.equal(status, 1);
  assert.match(printed, /nothing came for 2 s/);
  assert.match(printed, /1 failed/);
  assert.deepEqual(pids.filter(runs), []);
});

test("a package is installed while its services may not start, and nothing of that is left behind", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-runner-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [asked, policy] = ["asked", "policy-rc.d"].map((name) => join(folder, name));
  const bin = join(folder, "bin");
  mkdirSync(bin);
  symlinkSync(here("fixtures/apt-get"), join(bin, "apt-get"));
  // Where it is not root, it would ask for it.
  writeFileSync(join(bin, "sudo"), '#!/bin/sh\nshift; exec "$@"\n', { mode: 0o755 });
  execFileSync("bash", [here("fixtures/installs.sh"), here("../run")], {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, TESTS_POLICY_RC: policy, FIXTURE_ASKED: asked },
  });
  assert.equal(readFileSync(asked, "utf8").trim(), "101");
  assert.equal(existsSync(policy), false);
});
