// The TypeScript of the manuals compiles in a strict project, as the pages have it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { project, tool } from "./package.mjs";

/** What the pages leave to the reader. */
const READERS_OWN = `
  import type { Cause, State } from "rejoin";
  declare global {
    function fetchToken(): Promise<string>;
    function show(...of: unknown[]): void;
    function showState(state: string, cause?: unknown, retryAt?: unknown): void;
    function showThatSomethingMayBeMissing(): void;
    function answerTo(question: string): Promise<string>;
    function useState<T>(first: T): [T, (change: (before: T) => T) => void];
    function useEffect(effect: () => () => void, needs: unknown[]): void;
  }
`;

/** The names that a page uses after it has shown once where they come from. */
const IMPORTED = [
  ["connect<Down, Up>(\"https:", 'import { connect } from "rejoin/socketio";'],
  ["connect<Down, Up>(\"wss:", 'import { connect } from "rejoin";'],
  ["function useRoom", 'import type { Client, Message } from "rejoin";'],
];

test("each example of the manuals in TypeScript compiles", (t) => {
  const files = { "package.json": '{ "type": "module" }', "readers.ts": READERS_OWN };
  for (const page of ["README.md", "client-wasm/README.md"]) {
    const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
    for (const [, code] of text.matchAll(/^```tsx?\n(.*?)^```$/gms)) {
      const [, imported = ""] = code.includes("import ") ? [] : IMPORTED.find(([word]) => code.includes(word));
      files[`example${Object.keys(files).length}.ts`] = `${imported}\n${code}\nexport {};\n`;
    }
  }
  const names = Object.keys(files).filter((name) => name.endsWith(".ts"));
  assert.ok(names.length > 7, `${names.length} examples`);
  const root = project(t, files, ["@types/node"]);
  const flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--types", "node"];
  const { stdout } = spawnSync(process.execPath, [tool("typescript/bin/tsc"), ...flags, ...names], { cwd: root, encoding: "utf8" });
  assert.equal(stdout, "");
});
