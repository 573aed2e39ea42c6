// What the browser loads: each peer's page, bundled and compressed as one would ship it, on a server of its own.

import { once } from "node:events";
import { copyFileSync, readFileSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { project } from "../../browser/package.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

/** The folder with the page of a peer. */
async function bundled(t, { page, preload = [] }) {
  const links = preload.map((file) => `<link rel="preload" as="fetch" type="application/wasm" crossorigin href="${file}">`);
  const root = project(
    t,
    {
      "package.json": '{ "type": "module" }',
      "page.js": page,
      "dist/index.html": `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">${links.join("")}<script type="module" src="page.js"></script>`,
    },
    [],
  );
  for (const name of ["centrifuge", "partysocket", "socket.io-client"]) {
    symlinkSync(join(here, "node_modules", name), join(root, "node_modules", name));
  }
  copyFileSync(join(root, "node_modules/rejoin/dist/rejoin.wasm"), join(root, "dist/rejoin.wasm"));
  await build({
    absWorkingDir: root, entryPoints: ["page.js"], bundle: true, minify: true, splitting: true, format: "esm",
    target: "es2022", outdir: "dist", logLevel: "error",
  });
  return join(root, "dist");
}

/** Serves a peer's page; `sizes()` is what has been loaded of it since the last call. */
export async function site(t, peer) {
  const root = await bundled(t, peer);
  const files = new Map();
  const file = (name) => {
    if (!files.has(name)) {
      const bytes = readFileSync(join(root, name));
      files.set(name, { gzip: gzipSync(bytes, { level: 9 }), brotli: brotliCompressSync(bytes) });
    }
    return files.get(name);
  };
  let loaded = new Set();
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    const name = path === "/" ? "index.html" : path.slice(1);
    try {
      const { gzip } = file(name);
      if (name !== "index.html") loaded.add(name);
      // Isolated, so that the page may measure its memory.
      response.writeHead(200, {
        "content-type": types[extname(name)], "content-encoding": "gzip", "content-length": gzip.length, "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp",
      });
      response.end(gzip);
    } catch {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => (server.closeAllConnections(), server.close()));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    sizes() {
      const sum = (kind) => [...loaded].reduce((bytes, name) => bytes + file(name)[kind].length, 0);
      const sizes = { gzip: sum("gzip"), brotli: sum("brotli") };
      loaded = new Set();
      return sizes;
    },
  };
}
