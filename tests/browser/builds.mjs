// A chunk of the package in a worker and in what bundlers make of it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { browser } from "./page.mjs";
import { project, tool } from "./package.mjs";
import { site } from "./site.mjs";

const run = promisify(execFile);

export const html = (source) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title>${source}`;

/**
 * What `use` gives for a statement that says `content` to whoever is there works in Vite's build, in a worker, and in
 * esbuild's, which takes no file along; `imported` is what is imported from this chunk.
 */
export async function worksBuilt(t, imported, chunk, use, content) {
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "index.html": html('<script type="module" src="/page.js"></script>'),
    "page.js": `import { ${imported} } from "rejoin/${chunk}";${use("document.title = content;")}`,
    "worker/index.html": html('<script type="module" src="page.js"></script>'),
    "worker/page.js": 'new Worker("worker.js", { type: "module" }).onmessage = ({ data }) => (document.title = data);',
    "worker/worker.js": `import { ${imported} } from "../node_modules/rejoin/dist/${chunk}.js";${use("postMessage(content);")}`,
    "esbuild/index.html": html('<script type="module" src="page.js"></script>'),
  });
  await run(process.execPath, [tool("vite/bin/vite.js"), "build", "--target", "es2022"], { cwd: root });
  const { build } = await import("esbuild");
  await build({ absWorkingDir: root, entryPoints: ["page.js"], bundle: true, format: "esm", outdir: "esbuild", logLevel: "silent" });
  const context = await browser(t);
  for (const address of [await site(t, join(root, "dist")), `${await site(t, root)}/worker/`, await site(t, join(root, "esbuild"))]) {
    const page = await context.newPage();
    await page.goto(address);
    await page.waitForFunction((content) => document.title == content, content);
  }
}

/** These files of a strict TypeScript project, which may use these tools, are without an error. */
export async function compiles(t, files, options = {}, tools = []) {
  const root = project(t, {
    "tsconfig.json": JSON.stringify({
      compilerOptions: { strict: true, noEmit: true, module: "nodenext", target: "es2022", lib: ["es2023", "esnext.disposable", "dom"], types: [], ...options },
    }),
    ...files,
  }, tools);
  await run(process.execPath, [tool("typescript/bin/tsc")], { cwd: root }).catch(({ stdout }) => assert.fail(stdout));
}
