// A build after a build compiles nothing, in a fresh clone too: the server's build script runs again when the npm package
// is built, built again or removed, and at no other time.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url));

/** What cargo says of the build of a binary: whether it had to compile, and what the binary prints. */
function build(folder) {
  const env = { ...process.env, CARGO_TARGET_DIR: join(folder, "target") };
  const lines = execFileSync("cargo", ["build", "--offline", "--quiet", "--message-format", "json"], { cwd: folder, env, encoding: "utf8" });
  const binary = lines.trim().split("\n").map((line) => JSON.parse(line))
    .find(({ reason, target }) => reason == "compiler-artifact" && target.kind.includes("bin"));
  return { fresh: binary.fresh, says: execFileSync(binary.executable, { encoding: "utf8" }) };
}

/** A crate of a few lines with the server's own build script, where the server has it. */
function scratch(t) {
  const clone = mkdtempSync(join(tmpdir(), "rejoin-clone-"));
  t.after(() => rmSync(clone, { recursive: true, force: true }));
  const server = join(clone, "server-mock");
  const npm = join(clone, "client-wasm");
  mkdirSync(join(server, "src"), { recursive: true });
  mkdirSync(npm);
  writeFileSync(join(npm, "package.json"), "{}");
  writeFileSync(join(server, "Cargo.toml"), '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n');
  copyFileSync(join(project, "server-mock/build.rs"), join(server, "build.rs"));
  writeFileSync(
    join(server, "src/main.rs"),
    `#[cfg(with_package)]
fn main() { print!("{}", include_str!(concat!(env!("OUT_DIR"), "/index.js"))); }
#[cfg(not(with_package))]
fn main() { print!("no package"); }`,
  );
  return { server, dist: join(npm, "dist") };
}

function writePackage(dist, text) {
  mkdirSync(dist, { recursive: true });
  for (const file of ["index.js", "inline.js", "rejoin.wasm"]) writeFileSync(join(dist, file), text);
}

test("the server is built anew when the package comes, changes or goes, and is fresh each time after", (t) => {
  const { server, dist } = scratch(t);
  const steps = [
    ["no package", () => {}],
    ["one", () => writePackage(dist, "one")],
    ["two", () => writePackage(dist, "two")],
    ["no package", () => rmSync(join(dist, "inline.js"))],
    ["three", () => writePackage(dist, "three")],
    ["no package", () => rmSync(dist, { recursive: true })],
    ["four", () => writePackage(dist, "four")],
  ];
  for (const [says, change] of steps) {
    change();
    assert.deepEqual(build(server), { fresh: false, says });
    assert.deepEqual(build(server), { fresh: true, says });
  }
});

test("without the npm package's folder the server is fresh too", (t) => {
  const { server, dist } = scratch(t);
  rmSync(join(dist, ".."), { recursive: true });
  assert.deepEqual(build(server), { fresh: false, says: "no package" });
  assert.deepEqual(build(server), { fresh: true, says: "no package" });
});

test("nothing of the workspace is compiled again by a second build", () => {
  const args = ["build", "--workspace", "--bins", "--profile", "test", "--locked", "--quiet", "--message-format", "json"];
  const built = () =>
    execFileSync("cargo", args, { cwd: project, encoding: "utf8", maxBuffer: 1 << 28 }).trim().split("\n").map((line) => JSON.parse(line));
  built();
  const stale = built().filter(({ reason, fresh }) => reason == "compiler-artifact" && !fresh);
  assert.deepEqual(stale.map(({ target }) => target.name), []);
});
