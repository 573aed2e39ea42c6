// The files of this package that the server's pages load, which are kept in the tree: a clone shows the pages with nothing
// but a Rust compiler. `node build.mjs --demo` builds the package and replaces them; `node demo.mjs` looks whether they are
// stale.
//
// What is compared are the sources and the versions of what is bundled, and not the bytes that come of it: another
// compiler, and the same one in another folder, makes another module of the same sources.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, posix, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = resolve(here, "..");
const kept = join(root, "server-mock/demo/package");
const COMMAND = "tests/run demo";

/** What is bundled or makes the bundle, of which another version makes another file. */
const NPM = ["binaryen", "esbuild", "socket.io-client", "terser"];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const slashes = (path) => path.split(sep).join("/");

/** The hash of a source; of the workspace's manifest the part that says how the module is compiled. */
function hashOf(source) {
  const [file, section] = source.split(" ");
  const path = join(root, file);
  if (!existsSync(path)) return "missing";
  // As it is in the repository, wherever it was checked out.
  const text = readFileSync(path, "utf8").replaceAll("\r\n", "\n");
  if (!section) return sha256(text);
  const from = text.indexOf(`${section}\n`);
  return from < 0 ? "missing" : sha256(text.slice(from).split("\n\n")[0]);
}

/** name@version of each crate in the lock file. */
function lockedCrates() {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  return new Set([...lock.matchAll(/^name = "(.*)"\r?\nversion = "(.*)"/gm)].map(([, name, version]) => `${name}@${version}`));
}

function lockedPackages() {
  const { packages } = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
  return Object.fromEntries(NPM.map((name) => [name, packages[`node_modules/${name}`]?.version ?? "missing"]));
}

/** The scripts that were bundled, of which some are written by the build, and the Rust files that were compiled. */
function sources() {
  const scripts = JSON.parse(readFileSync(join(here, "dist/index.js.map"), "utf8")).sources
    .map((path) => posix.join("client-wasm/dist", path))
    .filter((path) => !/^client-wasm\/(pkg\/|js\/wasm\/codes\.ts)/.test(path));
  const machine = readFileSync(join(here, "pkg/session.d"), "utf8").replace(/^.*?: /, "").trim().split(/(?<!\\) /)
    .filter((path) => path.endsWith(".rs"))
    .map((path) => slashes(relative(root, path.replaceAll("\\ ", " "))));
  const wrong = machine.find((path) => path.startsWith(".."));
  if (wrong) throw new Error(`pkg/session.d names ${wrong}, which is in another folder: build the machine here`);
  return [...scripts, ...machine, "client-wasm/Cargo.toml", "client-wasm/build.mjs", "client-wasm/short_names.mjs", "Cargo.toml [profile.page]"].sort();
}

/** The crates in the module, but ours. */
function crates() {
  const tree = execFileSync("cargo", [
    "tree", "--locked", "--package", "rejoin-wasm", "--no-default-features", "--features=session",
    "--target", "wasm32-unknown-unknown", "--edges", "normal", "--prefix", "none", "--format", "{p}",
  ], { encoding: "utf8", cwd: root });
  const named = tree.trim().split("\n").filter((line) => !/\((\/|[A-Z]:).*\)/.test(line.replace("(proc-macro)", "")));
  return [...new Set(named.map((line) => line.replace(/^(\S+) v(\S+).*/, "$1@$2")))].sort();
}

const version = (command) => execFileSync(command, ["--version"], { encoding: "utf8" }).trim();

/** Replaces the files by what has been built. */
export function refresh() {
  rmSync(kept, { recursive: true, force: true });
  mkdirSync(kept, { recursive: true });
  const script = (text) => text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  writeFileSync(join(kept, "index.js"), script(readFileSync(join(here, "dist/index.js"), "utf8")));
  cpSync(join(here, "dist/rejoin.wasm"), join(kept, "rejoin.wasm"));
  const theirs = join(here, "node_modules/socket.io-client");
  const licence = readFileSync(join(theirs, "LICENSE"), "utf8").trim();
  writeFileSync(join(kept, "socket.io.js"), `/*!\n${licence}\n*/\n${script(readFileSync(join(theirs, "dist/socket.io.esm.min.js"), "utf8"))}`);
  const files = Object.fromEntries(["index.js", "rejoin.wasm", "socket.io.js"].map((file) => [file, sha256(readFileSync(join(kept, file)))]));
  const manifest = {
    about: `Made by ${COMMAND}; client-wasm/demo.mjs says how it is compared.`,
    files,
    sources: Object.fromEntries(sources().map((source) => [source, hashOf(source)])),
    crates: crates(),
    npm: lockedPackages(),
    tools: { rustc: version("rustc"), "wasm-bindgen": version("wasm-bindgen").split(" ").at(-1), node: process.version },
  };
  writeFileSync(join(kept, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
}

/** What the files differ in from what would be made now. */
function differences() {
  const path = join(kept, "manifest.json");
  if (!existsSync(path)) return ["there is no manifest"];
  const { files, sources, crates, npm } = JSON.parse(readFileSync(path, "utf8"));
  const now = lockedCrates();
  const packages = lockedPackages();
  return [
    ...Object.entries(files).flatMap(([file, hash]) => {
      const bytes = existsSync(join(kept, file)) && readFileSync(join(kept, file));
      return bytes && sha256(bytes) == hash ? [] : [`server-mock/demo/package/${file} is not what the manifest says`];
    }),
    ...Object.entries(sources).flatMap(([source, hash]) => (hashOf(source) == hash ? [] : [`${source} has changed`])),
    ...crates.flatMap((crate) => (now.has(crate) ? [] : [`Cargo.lock has another version of ${crate}`])),
    ...NPM.flatMap((name) => (npm[name] == packages[name] ? [] : [`${name} was ${npm[name]} and is ${packages[name]}`])),
  ];
}

if (process.argv[1] && resolve(process.argv[1]) == fileURLToPath(import.meta.url)) {
  const found = differences();
  if (found.length) {
    console.error(`The package that the server's pages load (server-mock/demo/package) is stale: ${COMMAND} makes it anew.`);
    for (const difference of found) console.error(`  ${difference}`);
    process.exitCode = 1;
  }
}
