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
  }
`;

/** The names that a page uses after it has shown once where they come from. */
const IMPORTED = [
  ["connect<Down, Up>(\"https:", 'import { connect } from "rejoin/socketio";'],
  ["connect<Down, Up>(\"wss:", 'import { connect } from "rejoin";'],
];

test("each example of the manuals in TypeScript compiles", (t) => {
  const files = { "package.json": '{ "type": "module" }', "readers.ts": READERS_OWN };
  for (const page of ["README.md", "client-wasm/README.md"]) {
    const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
    for (const [, kind, code] of text.matchAll(/^```(tsx?)\n(.*?)^```$/gms)) {
      const [, imported = ""] = code.includes("import ") ? [] : IMPORTED.find(([word]) => code.includes(word));
      files[`example${Object.keys(files).length}.${kind}`] = `${imported}\n${code}\nexport {};\n`;
    }
  }
  const names = Object.keys(files).filter((name) => /\.tsx?$/.test(name));
  assert.ok(names.length > 10, `${names.length} examples`);
  const root = project(t, files, ["@types/node", "@types/react", "csstype", "vue", "svelte"]);
  const flags = [
    "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable", "--types", "node,svelte", "--jsx", "react-jsx",
    // Vue's own types are its business.
    "--skipLibCheck",
  ];
  const { stdout } = spawnSync(process.execPath, [tool("typescript/bin/tsc"), ...flags, ...names], { cwd: root, encoding: "utf8" });
  assert.equal(stdout, "");
});
