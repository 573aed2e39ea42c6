// Builds the npm package into dist/: the machine by wasm-pack and wasm-opt, the driver by esbuild, its types by tsc.
// tests/run browser installs what this needs. Prints what a page loads, and fails when that is over the budget.
// `--stable`: without the compiler's unstable switches, to see what they are worth. `--scripts`: the machines stay as they
// were built last. `--demo`: what the server's pages load of it is put where the server takes it from (demo.mjs).
import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import { refresh } from "./demo.mjs";
import { ShortNames } from "./short_names.mjs";
import { writeSingleFile } from "./single_file.mjs";

/**
 * Most bytes, gzip -9, of all that a page loads for the base entry: what it has been brought to, never to be raised lightly.
 * 640 of them say why a send failed that was refused each time, with the code of the server's own; 320 open the socket while
 * the module is under way, which is a round trip less on a slow network; 240 receive what a log still holds after an absence
 * that was longer than it goes back, and send a first message again that was refused for now; 160 wait a moment with a first
 * message, so that a token that is refused leaves none unknown, and offer the extended protocol always to a server that has it;
 * 128 read the text of an error where other servers have it, and wait with what is to be sent where there is nothing but streams.
 */
const BUDGET = 53 * 1024 + 384;
/** What it is meant to be. */
const GOAL = 18 * 1024;

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
process.env.PATH = `node_modules/.bin${delimiter}${process.env.PATH}`;

function failed(command, error) {
  console.error(`${command}: ${error.stdout ?? ""}${error.stderr ?? error.message}`);
  process.exit(1);
}

function run(command, ...args) {
  try {
    return execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    return failed(command, error);
  }
}

/** The same beside what comes next. */
function begin(command, ...args) {
  return promisify(execFile)(command, args).catch((error) => failed(command, error));
}

const onlyScripts = process.argv.includes("--scripts");
if (!onlyScripts) rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/cjs", { recursive: true });
// npm takes it along from here.
cpSync("../LICENSE", "LICENSE");
for (const [file, name] of [["js/wasm/codes.ts", "session"], ["js/socketio/codes.ts", "socketio"], ["js/sse/codes.ts", "feed"], ["js/app_frames/codes.ts", "app_frames"]]) {
  writeFileSync(file, run("cargo", "run", "--quiet", "--locked", "--package", "rejoin-wasm", "--example", "codes", name));
}

// Bytes that no stable switch saves: the library's own copies of generic code, which are made for speed; the places in
// the source that a panic would name, though nobody hears it; the text of `Debug`; copies written out word by word, where
// wasm has an instruction for them (an option of LLVM, known to version 22). None of them changes what the code does, and without
// them everything works the same.
if (!process.argv.includes("--stable")) {
  process.env.RUSTC_BOOTSTRAP = "1";
  process.env.RUSTFLAGS = [
    "-Zshare-generics=no", "-Zlocation-detail=none", "-Zfmt-debug=none",
    "-Cllvm-args=-max-store-memcpy=1", "-Cllvm-args=-max-store-memset=1",
  ].join(" ");
}
/**
 * The glue makes coders of text when it is loaded; some environments have none, and nothing is to be touched then. And it
 * registers what it makes with the garbage collector, where the driver frees all of it. It is started with a compiled module
 * in one way only, once. Of values of JavaScript a machine holds sockets alone, no constants.
 */
function lazyCoders(file) {
  const lazy = readFileSync(file, "utf8")
    .replace(/^ *\w+Finalization\.(un)?register\(.*\);\n/gm, "")
    .replace(/^const \w+Finalization = [^;]*?\{ register: [^;]*;\n/gm, "")
    .replace(/let cachedTextDecoder = new TextDecoder\(.*\);\s*cachedTextDecoder\.decode\(\);/, "let cachedTextDecoder;")
    .replace("return cachedTextDecoder.", "return (cachedTextDecoder ??= new TextDecoder('utf-8', { ignoreBOM: true })).")
    .replace(/const cachedTextEncoder = new TextEncoder\(\);\s*if \([^]*?\n\}\n/, "let cachedTextEncoder;\n")
    .replace(/(function initSync\(module\) \{\n)[^]*?(    const imports = .*\n)[^]*?(    const instance)/, "$1    ({ module } = module);\n$2$3")
    .replace(/ *const table = wasm\.\w+;\n(?: *(?:const offset = )?table\.\w+\(.*\);\n)+/, "")
    // Freed once, by its only owner.
    .replace(/ *__destroy_into_raw\(\) \{[^}]*\}\n/g, "")
    .replace(/ *const ptr = this\.__destroy_into_raw\(\);\n(.*)\(ptr, 0\)/g, "$1(this.__wbg_ptr, 0)")
    .replace(/const ret = (.*);\n *this\.__wbg_ptr = ret;\n *return this;/g, "this.__wbg_ptr = $1;")
    .replaceAll("__wbg_ptr", "ptr")
    // The module asks for names of its own alone.
    .replace(/ *__proto__: null,\n/g, "")
    .replaceAll("= cachedTextEncoder.", "= (cachedTextEncoder ??= new TextEncoder()).");
  const smaller = /feed/.test(file) ? lazy : withoutTextCache(lazy);
  if (/^(let|const) .*new Text\w+|Finalization|table\./m.test(lazy)) throw new Error(`${file} does more when it is loaded: wasm-bindgen writes it otherwise now`);
  writeFileSync(file, smaller);
}

/** Of a client's machine a text comes when it panics, if ever: nothing is kept for the next one. */
const withoutTextCache = (glue) =>
  glue
    .replace(
      /function getStringFromWasm0[^]*?\nlet wasmModule/,
      "function getStringFromWasm0(ptr, len) {\n    return new TextDecoder().decode(new Uint8Array(wasm.memory.buffer, ptr >>> 0, len));\n}\n\nlet wasmModule",
    )
    .replace(/ *cachedUint8ArrayMemory0 = null;\n/, "");

/** Of each glue. */
const names = { rejoin: new ShortNames(), "rejoin-feed": new ShortNames() };
/** What wasm-opt does while the next machine is compiled. */
const optimised = [];
/** The machine that this feature of its crate makes. Its glue is named so; of the same name that of the last one stays. */
function machine(file, glue, feature) {
  if (onlyScripts) return lazyCoders(`pkg/${glue}.js`);
  run(
    "wasm-pack", "--quiet", "build", ".", "--mode", "no-install", "--target", "web", "--profile", "page",
    // Its own use of wasm-opt inlines what the next step is told not to.
    "--no-opt", "--no-pack", "--out-dir", "pkg", "--out-name", glue, "--", "--no-default-features", `--features=${feature}`,
  );
  // A file of its own: the next machine may have the same glue.
  const compiled = `pkg/${feature}.wasm`;
  writeFileSync(compiled, names[glue].module(readFileSync(`pkg/${glue}_bg.wasm`), readFileSync(`pkg/${glue}.js`, "utf8")));
  // The files it is made of, as cargo names them.
  cpSync(join(process.env.CARGO_TARGET_DIR ?? "../target", "wasm32-unknown-unknown/page/rejoin_wasm.d"), `pkg/${feature}.d`);
  const optimising = begin(
    "wasm-opt", compiled, "-o", file,
    // A call takes about as many bytes as the smallest functions.
    "--always-inline-max-function-size=4",
    // Its own control flow in the place of the compiler's, and once more when that has become less.
    ...["--flatten", "--rereloop", "-Oz", "--flatten", "--rereloop", "-Oz"], "-Oz", "--converge",
    // Functions that are used once and stay apart compress better.
    "--one-caller-inline-max-function-size=0",
    // So do functions next to those of the same type, and memory accesses without the hints that no engine reads.
    "--reorder-functions-by-name", "--dealign",
    // What every browser of the last four years has; not --all-features.
    ...["bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext"].map(
      (feature) => `--enable-${feature}`,
    ),
    "--strip-debug", "--strip-producers", "--strip-target-features",
  );
  optimised.push(optimising);
  lazyCoders(`pkg/${glue}.js`);
  writeFileSync(`pkg/${glue}.js`, names[glue].glue(readFileSync(`pkg/${glue}.js`, "utf8")));
}
machine("dist/rejoin-feed.wasm", "rejoin-feed", "feed");
// These stand for the client's machine, and have its glue.
machine("dist/rejoin-socketio.wasm", "rejoin", "socketio");
machine("dist/rejoin-socketio-frames.wasm", "rejoin", "socketio-frames");
machine("dist/rejoin.wasm", "rejoin", "session");
// What these can do more is in the last one's glue; they need nothing more from the page, so that one glue serves all.
machine("dist/rejoin-store.wasm", "rejoin", "stored");
machine("dist/rejoin-frames.wasm", "rejoin", "frames");
await Promise.all(optimised);
for (const [file, wasm] of [
  ["js/inline.ts", "dist/rejoin-frames.wasm"],
  ["js/socketio/socketio-inline.ts", "dist/rejoin-socketio-frames.wasm"],
  ["js/sse/feed-inline.ts", "dist/rejoin-feed.wasm"],
]) {
  writeFileSync(
    file,
    `/** The machine's module, for where there is no file to fetch. Written by build.mjs. */
export const bytes = () => Uint8Array.from(atob("${readFileSync(wasm).toString("base64")}"), (c) => c.charCodeAt(0));\n`,
  );
}

run("tsc");
const common = {
  absWorkingDir: process.cwd(), bundle: true, format: "esm", target: "es2022", legalComments: "none", sourcemap: true,
  // The glue warns of a way of calling it that is not ours.
  drop: ["console"],
  // The driver frees what the glue would leave to `using`.
  define: { "Symbol.dispose": "undefined" },
};
/** Classes that a page's developer meets in the console, each with what is in no other class: they keep their names. */
const NAMED = { Client: "async ready(", Feed: "get lastEventId(", RejoinError: 'name="RejoinError"', SendError: 'name="SendError"' };
function named(code) {
  for (const [name, own] of Object.entries(NAMED)) {
    for (let found; (found = code.indexOf(own, found)) >= 0; found += own.length + name.length + 1) {
      const at = code.lastIndexOf("=class", found) + "=class".length;
      code = `${code.slice(0, at)} ${name}${code.slice(at)}`;
    }
  }
  return code;
}
/** Names by how often their letters occur, which gzip rewards; esbuild leaves them as they come. */
async function shorten(file) {
  const map = `${file}.map`;
  const mapped = existsSync(map);
  const { code, map: content } = await minify(named(readFileSync(file, "utf8")), {
    keep_classnames: new RegExp(`^(${Object.keys(NAMED).join("|")})$`),
    module: true, ecma: 2022, compress: { passes: 3, hoist_funs: true },
    ...(mapped && { sourceMap: { content: readFileSync(map, "utf8"), url: basename(map), includeSources: true } }),
  });
  // An address that is known only when it is asked for: no bundler can take it along. No minifier keeps these words.
  writeFileSync(file, code.replace(/import\((?=`)/g, "import(/* webpackIgnore: true */"));
  if (mapped) writeFileSync(map, content);
}
/** What only a client that stores calls: the scripts of one that cannot have no copy of it. */
const withoutStoring = {
  name: "without storing",
  setup: ({ onLoad }) =>
    onLoad({ filter: /pkg.rejoin\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(/^    (changes|give_back|restore|save|stored)\([^]*?^    \}\n/gm, ""),
    })),
};
// What a page loads. Each of the parts that are loaded when they are needed is a file of its own.
const page = { ...common, minify: true, external: ["./inline.js", "./store.js", "./tabs.js", "./own.js", "./debug.js", "./polling.js", "./streams.js", "./own-socketio.js", "./socketio-inline.js", "./feed-inline.js"] };
for (const [source, file] of [
  ["index", "index"], ["store", "store"], ["tabs", "tabs"], ["own", "own"], ["debug", "debug"], ["inline", "inline"],
  ["socketio/index", "socketio"], ["socketio/own-socketio", "own-socketio"], ["socketio/polling", "polling"], ["socketio/socketio-inline", "socketio-inline"],
  ["sse/index", "sse"], ["sse/feed-inline", "feed-inline"], ["fallback/index", "fallback"], ["fallback/streams", "streams"],
]) {
  const plugins = /index$/.test(source) ? [withoutStoring] : [];
  await build({ ...page, plugins, entryPoints: [`js/${source}.ts`], outfile: `dist/${file}.js`, ...(/inline/.test(file) && { sourcemap: false }) });
  await shorten(`dist/${file}.js`);
}
// A module that is imported is the runtime's business.
for (const [source, file] of [["workerd", "workerd"], ["socketio/workerd", "socketio-workerd"], ["sse/workerd", "sse-workerd"]]) {
  await build({ ...page, external: ["*.wasm"], entryPoints: [`js/${source}.ts`], outfile: `dist/${file}.js` });
}
// For Node it is to be read: an error that nobody catches shows its line. The bytes of the machines stay in their own files.
const node = { ...common, platform: "node", external: ["./inline.js", "./socketio-inline.js", "./feed-inline.js"] };
for (const [source, file] of [["node", "node"], ["socketio/node", "socketio-node"], ["sse/node", "sse-node"], ["fallback/node", "fallback-node"], ["testing/index", "testing"]]) {
  await build({ ...node, entryPoints: [`js/${source}.ts`], outfile: `dist/${file}.js` });
  await build({ ...node, entryPoints: [`js/${source}.ts`], outfile: `dist/cjs/${file}.js`, format: "cjs", logLevel: "error" });
}
for (const [source, file] of [["inline", "inline"], ["socketio/socketio-inline", "socketio-inline"], ["sse/feed-inline", "feed-inline"]]) {
  await build({ ...common, entryPoints: [`js/${source}.ts`], outfile: `dist/cjs/${file}.js`, format: "cjs", sourcemap: false });
}
// React is the page's own, which bundles and minifies this too.
const react = { ...common, external: ["react"], entryPoints: ["js/react/index.ts"] };
await build({ ...react, outfile: "dist/react.js" });
await build({ ...react, outfile: "dist/cjs/react.js", format: "cjs" });
await writeSingleFile(common);
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
cpSync("dist/types", "dist/cjs/types", { recursive: true });

const measured = (files) =>
  files.map(([name, path]) => {
    const bytes = readFileSync(path);
    const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
    return [name, bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length];
  });
const sizes = measured([
  ["driver and glue", "dist/index.js"],
  ["machine", "dist/rejoin.wasm"],
]);
const apart = measured([
  ["persist, apart", "dist/store.js"],
  ["its machine", "dist/rejoin-store.wasm"],
  ["frames, apart", "dist/own.js"],
  ["its machine", "dist/rejoin-frames.wasm"],
  ["tabs, tickets", "dist/tabs.js"],
  ["socketio, apart", "dist/socketio.js"],
  ["its machine", "dist/rejoin-socketio.wasm"],
  ["with frames, apart", "dist/own-socketio.js"],
  ["its machine", "dist/rejoin-socketio-frames.wasm"],
  ["polling, apart", "dist/polling.js"],
  ["fallback, apart", "dist/fallback.js"],
  ["its streams", "dist/streams.js"],
  ["sse, apart", "dist/sse.js"],
  ["its machine", "dist/rejoin-feed.wasm"],
  ["debug, apart", "dist/debug.js"],
  ["react, apart", "dist/react.js"],
  ["testing, apart", "dist/testing.js"],
]);
const all = sizes.reduce(([, ...sums], [, ...sizes]) => ["a page loads", ...sums.map((sum, at) => sum + sizes[at])]);
console.log(`${"".padEnd(18)}${["raw", "gzip -9", "brotli"].map((name) => name.padStart(9)).join("")}`);
for (const [name, ...numbers] of [...sizes, all, ...apart]) {
  console.log(`${name.padEnd(18)}${numbers.map((number) => String(number).padStart(9)).join("")}`);
}
const [, , gzip] = all;
console.log(`goal ${GOAL}, budget ${BUDGET}: ${gzip <= GOAL ? "the goal is met" : gzip <= BUDGET ? "within the budget" : "OVER THE BUDGET"}`);
process.exitCode = gzip > BUDGET ? 1 : 0;
if (process.argv.includes("--demo")) refresh();
