// The files of the package that the server's pages load are kept in the tree; they are those of today's sources.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The exit status and the words of the comparison in a tree. */
const compared = (tree) =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(tree, "client-wasm/demo.mjs")], (error, _, words) => resolve({ status: error?.code ?? 0, words }));
  });

/** A tree with nothing but what the comparison reads. */
function copy(t) {
  const tree = mkdtempSync(join(tmpdir(), "rejoin-demo-"));
  t.after(() => rmSync(tree, { recursive: true, force: true }));
  const { sources } = JSON.parse(readFileSync(join(root, "server-mock/demo/package/manifest.json"), "utf8"));
  const others = ["Cargo.lock", "client-wasm/demo.mjs", "client-wasm/package-lock.json", "server-mock/demo/package"];
  for (const file of [...Object.keys(sources).map((source) => source.split(" ")[0]), ...others]) {
    cpSync(join(root, file), join(tree, file), { recursive: true });
  }
  return tree;
}

test("the package that the server's pages load is made of today's sources", async () => {
  const { status, words } = await compared(root);
  assert.equal(status, 0, words);
});

test("a source or a file that has changed is named, with the command that makes the package anew", async (t) => {
  const tree = copy(t);
  for (const [file, said] of [
    ["client-core/src/session/mod.rs", "client-core/src/session/mod.rs has changed"],
    ["server-mock/demo/package/index.js", "server-mock/demo/package/index.js is not what the manifest says"],
  ]) {
    appendFileSync(join(tree, file), "\n");
    const { status, words } = await compared(tree);
    assert.equal(status, 1);
    assert.match(words, /is stale: tests\/run demo makes it anew/);
    assert.ok(words.includes(said), words);
  }
});

test("a change of the server or of the terminal does not make it stale", () => {
  const { sources, crates } = JSON.parse(readFileSync(join(root, "server-mock/demo/package/manifest.json"), "utf8"));
  const folders = new Set(Object.keys(sources).map((source) => dirname(source).split("/")[0]));
  assert.deepEqual([...folders].sort(), [".", "client-core", "client-wasm"]);
  assert.deepEqual(crates.filter((crate) => /^(tokio|axum|rustls)@/.test(crate)), []);
});
