// Everything that an application can import has its explanation in the types, where an editor shows it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./installed.mjs";

const types = join(root, "node_modules/rejoin/dist/types");

/** The files with what the entries export. */
const PUBLIC = [
  "types.d.ts", "client/client.d.ts", "errors.d.ts", "app_frames/types.d.ts", "react/hooks.d.ts", "react/types.d.ts", "socketio/client.d.ts", "socketio/types.d.ts",
  "socketio/app_events/types.d.ts", "sse/feed.d.ts", "sse/types.d.ts", "fallback/types.d.ts", "testing/clock.d.ts", "testing/limits.d.ts", "testing/log.d.ts", "testing/plan.d.ts",
  "testing/server.d.ts", "testing/validate.d.ts", "code_types.d.ts",
];

/** Of these files what no entry exports. */
const INSIDE = new Set(["Log", "Plan", "ended", "hintOf", "sendError", "defaultLimits", "checkOptions", "parseClientFrame"]);

/** What is declared in a file and said nothing about. */
function bare(file) {
  const lines = readFileSync(join(types, file), "utf8").split("\n");
  const found = [];
  /** The interface or the class whose fields follow. */
  let owner;
  lines.forEach((line, at) => {
    const [, kind, declared] = /^export (?:declare )?(?:abstract )?(interface|class|type|const|function) (\w+)/.exec(line) ?? [];
    if (/^\S/.test(line)) owner = ["interface", "class"].includes(kind) && !INSIDE.has(declared) ? declared : undefined;
    // Deeper ones belong to a field.
    const member = /^ {4}(?:readonly |static |override |get |set )*(\w+)\??[(:<]/.exec(line)?.[1];
    const name = declared ?? (owner && member);
    if (!name || INSIDE.has(name) || ["private", "constructor", "new", "name"].includes(name)) return;
    const before = lines[at - 1] ?? "";
    // The second form of a function, and what a class has again of another one.
    const isAgain = member && new RegExp(`^ {4}.*\\b${member}\\b.*;$`).test(before);
    if (!before.trimEnd().endsWith("*/") && !isAgain) found.push(declared ?? `${owner}.${member}`);
  });
  return found;
}

test("each export, and each of its fields, says what it is", () => {
  assert.deepEqual(PUBLIC.flatMap((file) => bare(file).map((name) => `${file}: ${name}`)), []);
});

test("times and sizes say their units", () => {
  for (const [file, field] of [
    ["types.d.ts", "sendTtl"], ["types.d.ts", "timeout"], ["types.d.ts", "rtt"], ["types.d.ts", "retryAt"], ["types.d.ts", "outboxBytes"],
    ["react/hooks.d.ts", "leaveAfter"], ["react/types.d.ts", "retryIn"], ["react/types.d.ts", "retryAt"], ["socketio/types.d.ts", "ackTimeout"],
    ["sse/types.d.ts", "maxEvent"], ["sse/types.d.ts", "retryAt"], ["fallback/types.d.ts", "websocketRetry"], ["testing/limits.d.ts", "contentBytes"],
  ]) {
    const text = readFileSync(join(types, file), "utf8");
    const [, said] = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*(?:readonly )?${field}\\??:`).exec(text) ?? [];
    assert.match(said ?? "nothing", /\bms\b|[mM]illiseconds|[sS]econds|bytes|characters/, `${file} ${field}`);
  }
});

test("an editor shows the words that a text may be", () => {
  for (const [file, names, wanted] of [
    ["code_types.d.ts", "wasm/codes.d.ts", ["State", "Mode", "RoomState", "GapReason", "JoinReason", "SendFailure", "CauseCode", "Code"]],
    ["sse/types.d.ts", "sse/codes.d.ts", ["FeedCauseCode"]],
    ["socketio/types.d.ts", "socketio/codes.d.ts", ["SocketIoCauseCode"]],
  ]) {
    for (const name of wanted) {
      const [, said] = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\s*export type ${name} =`).exec(readFileSync(join(types, file), "utf8")) ?? [];
      const words = new RegExp(`export type ${name} = ([^;]*);`).exec(readFileSync(join(types, names), "utf8"))[1].match(/\w+/g);
      for (const word of words) assert.ok(said?.includes(`\`${word}\``), `${name}: ${word}`);
    }
  }
});
