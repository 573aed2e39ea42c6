// Writes dist/chat.html: examples/chat.html with the package in it, its WebAssembly too, so that one file can be copied and opened.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const SCRIPT = /(<script type="module">)([^]*?)(<\/script>)/;

/** `options`: those of esbuild that all scripts have in common. */
export async function writeSingleFile(options) {
  const page = readFileSync("examples/chat.html", "utf8");
  const [, , contents] = SCRIPT.exec(page);
  const { outputFiles: [{ text }] } = await build({
    ...options, minify: true, sourcemap: false, write: false,
    stdin: { contents, resolveDir: "." },
    // The entry that fetches nothing: it has the module's bytes inside.
    alias: { rejoin: "./js/node.ts" },
  });
  // Whatever is in a text of the script, it does not end there.
  writeFileSync("dist/chat.html", page.replace(SCRIPT, (_, begin, _script, end) => `${begin}\n${text.replaceAll("</script", "<\\/script")}${end}`));
}
