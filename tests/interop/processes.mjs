// Starting the programs under test: each belongs to one test, which waits on its lines and kills it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { inTime, Journal } from "./journal.mjs";
import { freePort } from "./ports.mjs";

/** With the packages of requirements.txt: tests/run installs them. */
const PYTHON = process.env.REJOIN_PYTHON ?? fileURLToPath(new URL("python_modules/bin/python", import.meta.url));

export class Process {
  /** Lines of stdout, in order. */
  lines;
  stderr = "";
  /** It has ended. */
  over = false;
  #name;
  #child;
  #exit;

  /** `group`: it has processes of its own, which end with it. */
  constructor(t, command, args, { group = false } = {}) {
    this.#name = [command, ...args].map((word) => word.split("/").pop()).join(" ");
    this.lines = new Journal(this.#name);
    // Nothing of the caller's own configuration may decide a test.
    const ours = Object.entries(process.env).filter(([name]) => !/^(REJOIN|XDG)_|_proxy$/i.test(name));
    const env = { ...Object.fromEntries(ours), HOME: "/nonexistent" };
    this.#child = spawn(command, args, { stdio: "pipe", env, detached: group });
    t.after(() => (group ? this.#killGroup() : this.#child.kill("SIGKILL")));
    this.#child.stdin.on("error", () => {}); // the process may end before it has read everything
    this.#child.stderr.on("data", (data) => (this.stderr += data));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.lines.add(line));
    this.#exit = new Promise((resolve) => {
      const ended = (how) => {
        this.over = true;
        this.lines.fail(new Error(`${how}; stderr: ${this.stderr.trim() || "empty"}`));
        resolve();
      };
      this.#child.on("close", (code, signal) => ended(`it ended with ${signal ?? code}`));
      this.#child.on("error", (error) => ended(error.message));
    });
  }

  line(matches, what, deadline) {
    return this.lines.until(matches, what, deadline);
  }

  write(text) {
    this.#child.stdin.write(text);
  }

  endInput() {
    this.#child.stdin.end();
  }

  kill(signal) {
    this.#child.kill(signal);
  }

  /** Kills what it has started too, and waits until it is gone: nothing writes into its files any more. */
  async #killGroup() {
    try {
      process.kill(-this.#child.pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
    await inTime(this.#exit, `the end of ${this.#name}`);
  }

  /** Exit code, or the signal's name. */
  async exited() {
    await inTime(this.#exit, `the end of ${this.#name}`);
    return this.#child.exitCode ?? this.#child.signalCode;
  }
}

const LISTENING = /^listening on ((?:wss?|http):\/\/127\.0\.0\.1:(\d+)\/\S*)$/;

/** A server that has said where it listens. */
class Server extends Process {
  url;
  port;

  static async start(t, command, args) {
    const server = new this(t, command, args);
    const { found } = await server.line((line) => LISTENING.test(line), "the listening line");
    [, server.url, server.port] = LISTENING.exec(found);
    return server;
  }
}

export class PlainServer extends Server {
  mode = "plain";

  static start(t, ...args) {
    const script = fileURLToPath(new URL("plain-server.mjs", import.meta.url));
    return super.start(t, process.execPath, [script, ...args]);
  }

  /** Gives a command on stdin and waits until it is carried out. */
  async command(text) {
    this.write(`${text}\n`);
    await this.line((line) => line === `done ${text}`, `done ${text}`);
  }

  /** A connection of `user` came in. */
  opened(user) {
    return this.line((line) => line.startsWith(`opened ${user} `), `a connection of ${user}`);
  }

  /** Ends it and gives its report of frames that are not of the base contract. */
  async report() {
    this.kill("SIGTERM");
    const { found } = await this.line((line) => line.startsWith("report "), "the report");
    return JSON.parse(found.slice("report ".length));
  }
}

export class SocketIoServer extends Server {
  mode = "socketio";

  static start(t, ...args) {
    const script = fileURLToPath(new URL("socketio-server.mjs", import.meta.url));
    return super.start(t, process.execPath, [script, ...args]);
  }

  /** Gives a command on stdin and waits until it is carried out. */
  async command(text) {
    this.write(`${text}\n`);
    await this.line((line) => line === `done ${text}`, `done ${text}`);
  }

  /** A connection of `user` came in; gives what the server says of it. */
  async opened(user) {
    const { found } = await this.line((line) => line.startsWith(`opened ${user} `), `a connection of ${user}`);
    return found;
  }
}

/** The same in Python, on `python-socketio`. */
export class PythonSocketIoServer extends SocketIoServer {
  static start(t, ...args) {
    const script = fileURLToPath(new URL("socketio_server.py", import.meta.url));
    return Server.start.call(this, t, PYTHON, [script, ...args]);
  }
}

/** A program in Python; `script` is beside this file. */
export class PythonProgram extends Process {
  constructor(t, script, ...args) {
    super(t, PYTHON, [fileURLToPath(new URL(script, import.meta.url)), ...args]);
  }
}

/** An empty Redis that keeps nothing on disk. */
export class Redis extends Process {
  port;

  static async start(t) {
    const port = await freePort();
    const redis = new Redis(t, "redis-server", [
      ...["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()],
    ]);
    redis.port = port;
    await redis.line((line) => line.includes("Ready to accept connections"), "Redis");
    return redis;
  }
}

export class RejoinServer extends Server {
  mode = "extended";

  static start(t, ...args) {
    return super.start(t, binary("REJOIN_SERVER_BIN"), args);
  }

  /** The same on a port of its own choice, with an admin listener that `request` and `notify` talk to. */
  static async withAdmin(t, ...args) {
    const admin = `127.0.0.1:${await freePort()}`;
    return Object.assign(await this.start(t, "--listen", "127.0.0.1:0", "--admin", admin, ...args), { admin });
  }

  /** Asks the admin listener; the body is sent as JSON. */
  request(method, path, body) {
    const headers = { "content-type": "application/json" };
    return fetch(`http://${this.admin}${path}`, { method, headers, body: body && JSON.stringify(body) });
  }

  /** Notifies a user of a number, and gives the answer. */
  async notify(user, number) {
    const answer = await this.request("POST", `/users/${user}/notifications`, { kind: "order", data: { number } });
    assert.equal(answer.status, 202);
    return answer.json();
  }
}

/** A proxy that does to connections what networks do, with a checker of what clients were told (tests/faults). */
export class FaultProxy extends Server {
  static start(t, port, seed) {
    return super.start(t, binary("REJOIN_FAULTS_BIN"), [port, seed].map(String));
  }

  put(line) {
    this.write(`${JSON.stringify(line)}\n`);
  }

  /** New connections suffer no more. */
  async calmDown() {
    this.put({ type: "calm_down" });
    await this.line((line) => line == "calm", "calm");
  }

  /**
   * What the checker says to these accounts, by name; an account that cannot be true is an error. `lostMemory`: the
   * server was killed, which may cost what the accounts say it did.
   */
  async judge(accounts, { lostMemory = false } = {}) {
    for (const [name, lines] of Object.entries(accounts)) {
      this.put({ type: "account", name });
      for (const line of lines) this.put(line);
    }
    this.put({ type: "judge", lost_memory: lostMemory });
    const { found } = await this.line((line) => line.startsWith("{"), "the judgement");
    return JSON.parse(found);
  }
}

/** The `rejoin` command line. */
export class Rejoin extends Process {
  constructor(t, ...args) {
    super(t, binary("REJOIN_BIN"), args);
  }
}

/** `rejoin pipe`: client frames in, events out. */
export class Pipe extends Rejoin {
  constructor(t, url, token, ...args) {
    super(t, "pipe", url, "--token", token, ...args);
  }

  /** The next event that `matches`, and the events passed over. A line that is not JSON fails the test. */
  async event(matches, what, deadline) {
    const { found, skipped } = await this.line((line) => matches(JSON.parse(line)), what, deadline);
    return { event: JSON.parse(found), before: skipped.map((line) => JSON.parse(line)) };
  }

  state(name) {
    return this.event(({ type, state }) => type === "state" && state === name, `state ${name}`);
  }

  /** Connected, and in the mode that its server has. */
  connected(expected = "plain") {
    return this.event(
      ({ type, state, mode }) => type === "state" && state === "connected" && mode === expected,
      `state connected in mode ${expected}`,
    );
  }

  said(user, content) {
    return this.event(
      (event) => event.type === "message" && event.userId === user && event.content === content,
      `"${content}" from ${user}`,
    );
  }

  delivery(ref) {
    return this.event(({ type, ref: of }) => type === "delivery" && of === ref, `the delivery of ${ref}`);
  }

  put(frame) {
    this.write(`${JSON.stringify(frame)}\n`);
  }

  send(room, content, ref) {
    this.put({ type: "send_message", roomId: room, content, ref });
  }

  get events() {
    return this.lines.entries.map((line) => JSON.parse(line));
  }
}

function binary(variable) {
  const path = process.env[variable];
  if (!path) throw new Error(`${variable} does not name the binary to test: run this by tests/run interop`);
  return path;
}
