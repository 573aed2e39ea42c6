// The npm package as a consumer gets it: packed once, unpacked where a test wants it.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const source = join(here, "../../client-wasm");

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "rejoin-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A project with these files that has installed the package, and may use these tools. */
export function project(t, files, tools = []) {
  const path = folder(t);
  const [{ filename }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", path], { cwd: source }));
  const modules = join(path, "node_modules");
  mkdirSync(join(modules, "rejoin"), { recursive: true });
  execFileSync("tar", ["-xzf", join(path, filename), "-C", join(modules, "rejoin"), "--strip-components=1"]);
  for (const tool of tools) {
    mkdirSync(dirname(join(modules, tool)), { recursive: true });
    symlinkSync(join(here, "node_modules", tool), join(modules, tool));
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

/** The command of an installed tool, to be run with Node. */
export const tool = (path) => join(here, "node_modules", path);
