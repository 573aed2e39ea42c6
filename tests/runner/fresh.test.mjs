// A build after a build compiles nothing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../..", import.meta.url));

test("nothing of the workspace is compiled again by a second build", () => {
  // The choice of targets of `tests/run build`: another one has other features, so that the first build compiles much.
  const targets = ["--lib", "--bins", "--tests", "--examples"];
  const args = ["build", "--workspace", ...targets, "--profile", "test", "--locked", "--quiet", "--message-format", "json"];
  const built = () =>
    execFileSync("cargo", args, { cwd: project, encoding: "utf8", maxBuffer: 1 << 28 }).trim().split("\n").map((line) => JSON.parse(line));
  built();
  const stale = built().filter(({ reason, fresh }) => reason == "compiler-artifact" && !fresh);
  assert.deepEqual(stale.map(({ target }) => target.name), []);
});
