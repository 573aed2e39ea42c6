// The commands and scripts of the manuals do what the manuals say: taken from the pages, and run with another address.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { io } from "socket.io-client";
import { inTime } from "./journal.mjs";
import { freePort } from "./ports.mjs";
import { Process, Rejoin, RejoinServer } from "./processes.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const PAGES = [
  "README.md",
  "client-cli/README.md",
  "client-core/README.md",
  "client-wasm/README.md",
  "server-mock/README.md",
  "server-mock/deploy/behind-a-proxy.md",
  "client-core/docs/own-messages.md",
  "client-core/docs/socket-io.md",
];

/** The blocks of code in a page that are in this language. */
function blocks(page, language) {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```(\S*)\n(.*?)^```$/gms)].filter(([, of]) => of == language).map(([, , code]) => code);
}

/** The only block of a page with this word in it. */
function block(page, language, word) {
  const found = blocks(page, language).filter((code) => code.includes(word));
  assert.equal(found.length, 1, `${page} has ${found.length} blocks of ${language} with ${word}`);
  return found[0];
}

/** A folder that a test may use, with `rejoin` in it. */
function home(t) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(process.env.REJOIN_BIN, join(folder, "rejoin"));
  return folder;
}

/** Runs a script in bash; its processes end with the test. */
function bash(t, folder, script) {
  const path = `PATH=${folder}${delimiter}${process.env.PATH}`;
  return new Process(t, "env", [`HOME=${folder}`, path, "bash", "-c", script], { group: true });
}

const json = (text) => text.trim().split("\n").map((line) => JSON.parse(line));

describe("the manuals", { concurrency: 3 }, () => {
  it("name no command and no option that does not exist", async (t) => {
    const folder = home(t);
    // Each command prints its help, after it has read the options before that.
    const stubs = `
      rejoin() {
        local help
        help=$(command rejoin "$@" --help 2>&1 </dev/null) && grep -q '^Usage: rejoin' <<<"$help" || printf 'rejoin %s\\n%s\\n' "$*" "$help"
      }
      cargo() { :; }; curl() { :; }; tests/run() { :; }; kill() { :; }; systemctl() { :; }
    `;
    let commands = 0;
    for (const page of PAGES) {
      for (const code of blocks(page, "sh")) {
        commands += code.match(/\brejoin [a-z]/g)?.length ?? 0;
        const { stdout } = await run("bash", ["-c", `${stubs}\n${code}\nwait`], {
          cwd: folder,
          env: { PATH: `${folder}${delimiter}${process.env.PATH}`, HOME: folder },
        });
        const complaints = stdout.split("\n").filter((line) => line && !line.startsWith("{") && !line.startsWith("127.0.0.1"));
        assert.deepEqual(complaints, [], `${page}:\n${code}`);
      }
    }
    assert.ok(commands > 10, `${commands} commands`);
  });

  it("client-cli/README.md: the reference server passes the conformance kit as it is shown", async (t) => {
    const script = block("client-cli/README.md", "sh", "rejoin conformance").replaceAll(":8080", `:${await freePort()}`);
    const folder = home(t);
    const printed = bash(t, folder, `${script}\nstatus=$?; kill %1; exit $status`);
    assert.equal(await printed.exited(), 0, printed.stderr);
  });

  for (const page of ["README.md", "client-cli/README.md"]) {
    it(`${page}: the script of JSON lines sends its message and prints what is shown`, async (t) => {
      const folder = home(t);
      const script = block(page, "sh", "send_message").replaceAll(":8080", `:${await freePort()}`);
      const printed = bash(t, folder, `${script}\nstatus=$?; kill %1; exit $status`);
      assert.equal(await printed.exited(), 0, printed.stderr);
      const lines = printed.lines.entries.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
      // A send that comes after hello is numbered, and its message says how.
      const fields = (line) => Object.keys(line).filter((name) => !["pid", "pseq"].includes(name)).sort().join();
      const shape = (line) => [line.type, line.state, line.mode, line.status, line.content, fields(line)];
      const shown = json(block("client-cli/README.md", "json", '"delivery"'));
      // The first dial may come before the server listens. The answer to a send and the message itself come in either order.
      const sorted = (all) => all.slice(all.findIndex(({ mode }) => mode)).map(shape).map(String).sort();
      assert.deepEqual(sorted(lines), sorted(shown));
    });
  }

  it("client-cli/README.md: the profile is one that a command takes its address, token and rooms from", async (t) => {
    const folder = home(t);
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
    writeFileSync(join(folder, ".chat-token"), "alice\n");
    mkdirSync(join(folder, ".config/rejoin"), { recursive: true });
    mkdirSync(join(folder, ".local/state"), { recursive: true });
    writeFileSync(join(folder, ".config/rejoin/config.toml"), block("client-cli/README.md", "toml", "[profiles.default]").replace("wss://chat.example/ws", server.url));
    const sent = bash(t, folder, "rejoin send hello");
    assert.equal(await sent.exited(), 0, sent.stderr);
  });

  it("server-mock/README.md: the admin listener answers each request that is shown", async (t) => {
    const folder = home(t);
    const [admin, port] = [await freePort(), await freePort()];
    const script = block("server-mock/README.md", "sh", "rejoin serve --admin").replaceAll(":9090", `:${admin}`);
    const there = `command curl -fs -o mallory http://127.0.0.1:${admin}/users/mallory && grep -q lobby mallory`;
    const wrapped = `
      cd ${folder}
      rejoin() {
        command rejoin "$@" --listen 127.0.0.1:${port} >serving 2>&1 &
        command rejoin tail ws://127.0.0.1:${port}/ws -r lobby --token mallory >tailing 2>&1 &
        wait
      }
      # The first request waits until mallory, whom the page asks for, has joined.
      curl() {
        until [ -e there ] || { ${there} && touch there; }; do read -rt 0.05 <> <(:); done
        command curl --silent --show-error --fail-with-body "$@" >answer && echo "ok $*" || { echo "failed $*"; cat answer; }
      }
      ${script}
      echo over
    `;
    const printed = bash(t, folder, wrapped);
    await printed.line((line) => line == "over", "the end of the script", 20_000);
    assert.deepEqual(printed.lines.entries.filter((line) => !line.startsWith("ok ")), ["over"]);
    assert.equal(printed.lines.entries.length, script.match(/^curl /gm).length + 1);
  });

  it("server-mock/README.md: a feed is read by curl, in the form that is shown", async (t) => {
    const folder = home(t);
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
    const sent = new Rejoin(t, "send", server.url, "-r", "lobby", "--token", "alice", "hi");
    assert.equal(await sent.exited(), 0, sent.stderr);
    const command = block("server-mock/README.md", "sh", "curl -N").replace(":8080", `:${server.port}`);
    const read = bash(t, folder, `exec ${command}`);
    await read.line((line) => line.startsWith("data: "), "the message");
    const form = (line) =>
      line.replace(/^retry: \d+$/, "retry").replace(/^id: [^:]{16}:(\d+):.*$/, "id $1").replace(/"timestamp":"[^"]*"/, "time");
    const shown = block("server-mock/README.md", "text", "retry:").trimEnd().split("\n");
    assert.deepEqual(read.lines.entries.slice(0, shown.length).map(form), shown.map(form));
  });

  it("server-mock/README.md: the scripts of Socket.IO's own client print and answer what is shown", async (t) => {
    const admin = await freePort();
    const [chat, notified] = blocks("server-mock/README.md", "js");
    const options = /rejoin serve (--namespace .*)/.exec(notified)[1].split(" ");
    const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--admin", `127.0.0.1:${admin}`, ...options);
    /** Runs a script of the page; gives its socket and what it prints. */
    const execute = async (code) => {
      const printed = [];
      const opened = (url, more) => {
        const socket = io(url.replace(":8080", `:${server.port}`), { ...more, forceNew: true });
        t.after(() => socket.disconnect());
        sockets.push(socket);
        return socket;
      };
      const sockets = [];
      const script = new (async () => {}).constructor("io", "console", code);
      await inTime(script(opened, { log: (...words) => printed.push(words) }), "the script");
      return { printed, socket: sockets[0] };
    };
    const { printed } = await execute(chat);
    assert.deepEqual(printed, [["ada: hi"]]);
    const { printed: orders, socket } = await execute(notified);
    if (!socket.connected) await inTime(once(socket, "connect"), "the connection");
    const told = once(socket, "notification");
    const headers = { "content-type": "application/json" };
    await fetch(`http://127.0.0.1:${admin}/users/ada/notifications`, { method: "POST", headers, body: JSON.stringify({ kind: "note", data: { n: 1 } }) });
    await inTime(told, "the notification");
    assert.deepEqual(orders, [["note", { n: 1 }]]);
  });
});
