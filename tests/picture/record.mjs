// Makes the README's picture: a chat in a terminal, recorded while its network fails and comes back. `tests/run picture`.
//
// It owns the script of the recording and the SVG. The chat, the server and the words are the real ones; only the times
// between the frames are chosen here.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { svg } from "./svg.mjs";

const [COLUMNS, ROWS] = [78, 16];
const PICTURE = fileURLToPath(new URL("../../.github/chat.svg", import.meta.url));
const rejoin = process.env.REJOIN_BIN;
const session = `rejoin-picture-${process.pid}`;
const tmux = (...args) => execFileSync("tmux", ["-L", session, ...args], { encoding: "utf8" });

/** A network that can be cut: connections through it end, and new ones are refused, until it is mended. */
class Network {
  #server;
  #ways = new Set();
  #target;
  port;

  constructor(target) {
    this.#target = target;
  }

  async mend() {
    this.#server = net.createServer((near) => {
      const far = net.connect(this.#target, "127.0.0.1");
      for (const end of [near, far]) {
        this.#ways.add(end);
        end.on("error", () => {}).on("close", () => this.#ways.delete(end));
      }
      near.pipe(far).pipe(near);
    });
    this.#server.listen(this.port ?? 0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  cut() {
    this.#server.close();
    for (const end of this.#ways) end.destroy();
  }
}

/** The lines, with their colours, and where the cursor is. */
function screen() {
  const [x, y] = tmux("display", "-p", "-t", session, "#{cursor_x} #{cursor_y}").split(" ").map(Number);
  return Object.assign(tmux("capture-pane", "-p", "-e", "-t", session).split("\n").slice(0, ROWS), { cursor: { x, y } });
}

/** Waits until the screen shows this; gives the screen. */
async function shows(text) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const lines = screen();
    if (text.test(lines.join("\n").replaceAll(/\x1b\[[\d;]*m/g, ""))) return lines;
    if (Date.now() > deadline) throw new Error(`the chat never showed ${text}:\n${lines.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const server = spawn(rejoin, ["serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
try {
  const [line] = await once(server.stdout.setEncoding("utf8"), "data");
  const url = /ws:\/\/\S+/.exec(line)[0];
  const network = new Network(Number(new URL(url).port));
  await network.mend();
  const bob = (text) => execFileSync(rejoin, ["send", url, "-r", "lobby", "--token", "bob", text]);
  const frames = [];
  /** `seconds`: how long the picture stays on it. */
  const frame = (seconds, lines) => frames.push({ seconds, lines });
  const type = async (text) => {
    for (let at = 1; at <= text.length; at += 3) {
      tmux("send-keys", "-t", session, "-l", text.slice(at - 1, at + 2));
      await new Promise((resolve) => setTimeout(resolve, 60));
      frame(0.2, screen());
    }
  };

  const command = `exec env -i TERM=xterm-256color HOME=/nonexistent TZ=UTC ${rejoin} chat ws://127.0.0.1:${network.port}/ws -r lobby --token ada`;
  tmux("-f", "/dev/null", "new-session", "-d", "-s", session, "-x", `${COLUMNS}`, "-y", `${ROWS}`, command);
  tmux("set", "-g", "status", "off");
  tmux("resize-window", "-t", session, "-x", `${COLUMNS}`, "-y", `${ROWS}`);
  frame(1, await shows(/lobby.*>/));
  bob("where are you?");
  frame(1.5, await shows(/where are you/));
  await type("on the train, soon in the tunnel");
  tmux("send-keys", "-t", session, "Enter");
  frame(2, await shows(/tunnel +\(delivered\)/));
  network.cut();
  frame(2, await shows(/trying again|reconnecting|no connection/i));
  await type("this is written without a network");
  tmux("send-keys", "-t", session, "Enter");
  frame(2, await shows(/without a network +\(/));
  bob("I saw a heron meanwhile");
  await network.mend();
  await shows(/heron/);
  frame(5, await shows(/delivered: this is written/));
  writeFileSync(PICTURE, svg(frames, COLUMNS, ROWS));
  console.log(`${frames.length} frames in ${PICTURE}`);
} finally {
  server.kill("SIGKILL");
  try {
    tmux("kill-server");
  } catch {
    // It has ended with its chat.
  }
}
