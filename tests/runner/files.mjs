// Runs test files of node:test, some at a time, and always ends:
//
//   node files.mjs [--at-once N] [--limit SECONDS] FILE...
//
// A test may take SECONDS. A file is ended when nothing has come from it for twice as long while a test ran (it blocks its
// own timers), or for 20 s while none did (something keeps it alive). With a file ends whatever it has left behind.
// Prints one line per test, in the form of cargo-nextest, what is wrong with those that failed, and how many did.

import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { "at-once": { type: "string", default: "1" }, limit: { type: "string", default: "180" } },
});
const limit = Number(values.limit) * 1000;
const beside = (name) => fileURLToPath(new URL(name, import.meta.url));

let passed = 0;
let skipped = 0;
const failures = [];

function tell(status, ms, name) {
  console.log(`${status.padStart(12)} [${(ms / 1000).toFixed(3).padStart(8)}s] ${name}`);
}

function fail(name, ms, error) {
  failures.push(name);
  tell("FAIL", ms, name);
  console.log(error.replace(/^/gm, "    "));
}

/** Ends everything of a file that is still running; says what that was. */
function end(mark, group) {
  return spawnSync(beside("end"), [mark, String(group)], { encoding: "utf8" }).stdout.trim();
}

/** The files under way: mark and process group. */
const underWay = new Map();

function run(file) {
  const started = performance.now();
  const short = basename(file).replace(/\.test\.mjs$/, "");
  const mark = randomUUID();
  const child = spawn(process.execPath, ["--import", beside("limits.mjs"), "--test-reporter", beside("reporter.mjs"), file], {
    detached: true,
    env: { ...process.env, TESTS_RUN_MARK: mark, TEST_LIMIT_MS: String(limit) },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  underWay.set(mark, child.pid);
  let printed = "";
  let tests = 0;
  let failed = false;
  let silence;
  // The tests that results are being told of, from the outermost in.
  const told = [];
  const under = (nesting, name) => [short, ...told.slice(0, nesting), name].join(" › ");
  const running = [];
  let watchdog;
  const alive = () => {
    clearTimeout(watchdog);
    const patience = tests == 0 || running.length ? limit * 2 : Math.min(limit * 2, 20_000);
    watchdog = setTimeout(() => {
      silence = `nothing came for ${patience / 1000} s ${running.length ? `from ${running.at(-1)}` : "after its last test"}: ended`;
      end(mark, child.pid);
    }, patience);
  };
  alive();
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (printed += text));
  createInterface({ input: child.stdio[3] }).on("line", (line) => {
    const { type, name, nesting, suite, skip, ms, error } = JSON.parse(line);
    if (type == "test:dequeue") running.push(name);
    else if (type == "test:complete") running.splice(running.lastIndexOf(name), 1);
    else if (type == "test:start") told.splice(nesting, Infinity, name);
    else if (!suite || type == "test:fail") {
      tests += 1;
      if (skip !== undefined) {
        skipped += 1;
        tell("SKIP", ms, under(nesting, name));
      } else if (type == "test:pass") {
        passed += 1;
        tell("PASS", ms, under(nesting, name));
      } else {
        failed = true;
        fail(under(nesting, name), ms, error ?? "");
      }
    }
    alive();
  });
  return new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      clearTimeout(watchdog);
      const left = end(mark, child.pid);
      underWay.delete(mark);
      const finish = () => {
        clearTimeout(late);
        const took = performance.now() - started;
        if (silence) fail(short, took, silence);
        else if (code !== 0 && !failed) fail(short, took, `it ended with ${signal ?? code}`);
        else if (tests == 0) fail(short, took, "there was no test in it");
        if (left) console.log(`${short}: ${left}`);
        if (printed.trim()) console.log(printed.trimEnd().replace(/^/gm, `${short}| `));
        resolve();
      };
      // Who left group and environment behind may hold the pipes open.
      const late = setTimeout(finish, 5000);
      child.on("close", finish);
    });
  });
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    for (const [mark, group] of underWay) end(mark, group);
    process.exit(1);
  });
}

// The largest first: one of them at the end would run alone.
const waiting = files.toSorted((a, b) => statSync(b).size - statSync(a).size);
const lane = async () => {
  for (let file; (file = waiting.shift()); ) await run(file);
};
await Promise.all(Array.from({ length: Number(values["at-once"]) }, lane));
console.log(`     Summary ${passed} passed, ${skipped} skipped, ${failures.length} failed`);
for (const name of failures) console.log(`        FAIL ${name}`);
process.exit(failures.length || passed + skipped == 0 ? 1 : 0);
