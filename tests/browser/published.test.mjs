// The packages that would be published are complete: npm's package by the checks that its consumers use, and the crates as cargo packs them.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { project, tool } from "./package.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("publint has nothing against the package", (t) => {
  const folder = project(t, {});
  const { status, stdout } = spawnSync(process.execPath, [tool("publint/src/cli.js"), "--strict", join(folder, "node_modules/rejoin")], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});

test("each entry of the package has its types for every way of resolving it, old ones too", (t) => {
  const folder = project(t, {});
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  const entries = Object.keys(JSON.parse(readFileSync(join(root, "client-wasm/package.json"))).exports);
  const bytes = entries.filter((entry) => entry.endsWith(".wasm"));
  const { status, stdout } = spawnSync(
    process.execPath,
    [tool("@arethetypeswrong/cli/dist/index.js"), join(folder, tarball), "--no-color", "--format", "ascii", "--exclude-entrypoints", ...bytes],
    { encoding: "utf8" },
  );
  assert.equal(status, 0, stdout);
  for (const entry of ["rejoin", "rejoin/sse", "rejoin/fallback", "rejoin/socketio", "rejoin/react", "rejoin/testing"]) assert.match(stdout, new RegExp(`"${entry}"`));
});

test("the package has its licence, its manual and a map for each script", (t) => {
  const folder = join(project(t, {}), "node_modules/rejoin");
  const files = readdirSync(folder, { recursive: true });
  for (const name of ["LICENSE", "README.md", "CHANGELOG.md"]) assert.ok(files.includes(name), name);
  // A file that holds nothing but a module's bytes has no source.
  const scripts = files.filter((name) => name.endsWith(".js") && !name.endsWith("inline.js"));
  const bare = scripts.filter((name) => !files.includes(`${name}.map`));
  assert.deepEqual(bare, []);
});

test("cargo packs each crate, with its licence, its manual and a version for each dependency", () => {
  const crates = ["rejoin", "rejoin-server", "rejoin-cli"];
  const chosen = crates.flatMap((name) => ["--package", name]);
  // The crates are not built again: the whole run has built them from the same files.
  const { status, stderr } = spawnSync("cargo", ["package", "--no-verify", "--allow-dirty", "--locked", ...chosen], { cwd: root, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  // This repository does not know the address at which it will be.
  const warnings = stderr.split("\n").filter((line) => line.startsWith("warning:") && !line.includes("no documentation, homepage or repository"));
  assert.deepEqual(warnings, []);
  const { packages, target_directory } = JSON.parse(execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1", "--locked"], { cwd: root, encoding: "utf8" }));
  for (const name of crates) {
    const { version, keywords, categories, description, license, metadata } = packages.find((one) => one.name == name);
    const files = execFileSync("tar", ["-tzf", join(target_directory, `package/${name}-${version}.crate`)], { encoding: "utf8" }).split("\n");
    for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) assert.ok(files.includes(`${name}-${version}/${file}`), `${name} ${file}`);
    assert.ok(keywords.length && categories.length && description && license, name);
    assert.ok(!metadata?.docs?.rs.features?.includes("bugs") && !metadata?.docs?.rs["all-features"], name);
  }
});
