// The table of socket.io-client's offers in socket-io.md: complete as its types are, and with names that are there.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

const root = new URL("../../", import.meta.url);
const read = (path) => readFileSync(new URL(path, root), "utf8");
const page = read("client-core/docs/socket-io.md").split("\n## What of socket.io-client there is\n")[1];
const rows = page.split("\n").filter((line) => line.startsWith("|") && !/^\|(-|\s*socket\.io-client)/.test(line));
const cells = rows.map((row) => row.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));

/** The names in a cell's code: what is called, chosen or given. */
const words = (cell) => [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => code.match(/[A-Za-z_][A-Za-z_0-9]*/g) ?? []);

/** What a declaration file of the library offers: methods, attributes, options and events that are not private. */
function offered(file, pattern) {
  const types = read(`tests/interop/node_modules/${file}`);
  const found = [...types.matchAll(pattern)].map(([, name]) => name);
  assert.ok(found.length > 5, file);
  return found;
}

describe("the table of what socket.io-client offers", () => {
  it("has all that its types have", () => {
    const member = /^ {4}(?:readonly |get )?([a-z][A-Za-z]*)(?:<[^>]*>)?\??[(:]/gm;
    const engine = read("tests/interop/node_modules/engine.io-client/build/esm/socket.d.ts");
    const [options] = /interface SocketOptions \{[\s\S]*?\n\}/.exec(engine);
    const names = new Set([
      ...offered("socket.io-client/build/esm/socket.d.ts", member),
      ...offered("socket.io-client/build/esm/manager.d.ts", member),
      ...[...options.matchAll(member)].map(([, name]) => name),
      ...["on", "once", "off", "listeners", "emit"],
    ]);
    // Of the constructors, and fields of errors.
    for (const not of ["constructor", "description", "context", "data"]) names.delete(not);
    const known = new Set(cells.flatMap(([theirs]) => words(theirs)));
    assert.deepEqual([...names].filter((name) => !known.has(name)), []);
  });

  it("names what there is", () => {
    const text = (folder, end) => {
      const files = readdirSync(new URL(folder, root), { recursive: true }).filter((name) => name.endsWith(end));
      return files.map((name) => read(`${folder}/${name}`)).join("\n");
    };
    const [rust, npm, terminal] = [
      text("client-core/src", ".rs"),
      text("client-wasm/js", ".ts"),
      text("client-cli/src", ".rs") + read("client-cli/README.md"),
    ];
    const missing = [];
    for (const [theirs, ...ours] of cells) {
      assert.equal(ours.length, 3, theirs);
      for (const [at, source] of [rust, npm, terminal].entries()) {
        for (const name of words(ours[at])) if (!new RegExp(`\\b${name}\\b`).test(source)) missing.push([theirs, name]);
      }
    }
    assert.deepEqual(missing, []);
  });
});
