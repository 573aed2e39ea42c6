// The package in Node and the tools around it: errors that can be read, Jest with a page's globals, runtimes
// that compile no WebAssembly.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { project, tool } from "./package.mjs";

const run = promisify(execFile);

test("an error that nobody catches shows a line that can be read, and the source's place on request", async (t) => {
  const root = project(t, {
    "package.json": '{ "type": "module" }',
    "module.js": 'import { connect } from "rejoin"; await connect("wss://h/ws", { tokens: "x" });',
    "common.cjs": 'require("rejoin").connect("wss://h/ws", { tokens: "x" });',
    "socketio.js": 'import { connect } from "rejoin/socketio"; await connect("wss://h/ws", { tokens: "x" });',
    "sse.js": 'import { follow } from "rejoin/sse"; await follow("https://h", { rom: "x" });',
    "testing.js": 'import { FakeServer } from "rejoin/testing"; new FakeServer({ extendd: 1 });',
  });
  for (const file of ["module.js", "common.cjs", "socketio.js", "sse.js", "testing.js"]) {
    const { stderr, code } = await run(process.execPath, [file], { cwd: root }).catch((error) => error);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /RejoinError: there is no option/);
    assert.match(stderr, /did you mean/);
    assert.ok(stderr.length < 3000, `${file}: ${stderr.length} characters`);
    const mapped = await run(process.execPath, ["--enable-source-maps", file], { cwd: root }).catch((error) => error);
    assert.match(mapped.stderr, /js\/client\/arguments\.ts:\d+/, file);
  }
});

test("every script has its map, and no line of what is to be read is a long one", async (t) => {
  const root = project(t, {});
  const dist = join(root, "node_modules/rejoin/dist");
  for (const name of ["node", "socketio-node", "sse-node", "testing", "cjs/node", "cjs/socketio-node", "cjs/sse-node", "cjs/testing"]) {
    const text = readFileSync(join(dist, `${name}.js`), "utf8");
    assert.ok(text.split("\n").every((line) => line.length < 1000), name);
  }
  for (const name of ["index", "store", "tabs", "socketio", "sse", "node", "cjs/node", "testing"]) {
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(dist, `${name}.js.map`), "utf8"));
    assert.equal(sources.length, sourcesContent.length, name);
  }
});

test("require works under Jest with jsdom, where nothing is touched before it is used", async (t) => {
  const root = project(t, {
    "package.json": '{ "jest": { "testEnvironment": "ENVIRONMENT" } }'.replace("ENVIRONMENT", tool("jest-environment-jsdom").replaceAll("\\", "/")),
    "rejoin.test.js": `
      const touched = [];
      const names = ["TextEncoder", "TextDecoder", "WebSocket", "fetch", "crypto"];
      for (const name of names) Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(new Error(name).stack) });
      const { connect } = require("rejoin");
      const { FakeServer } = require("rejoin/testing");
      require("rejoin/sse");
      require("rejoin/socketio");
      for (const name of names) delete globalThis[name];
      test("a message is acknowledged", async () => {
        expect(touched).toEqual([]);
        expect(typeof document).toBe("object");
        const server = new FakeServer();
        const client = await connect(server.url, { ...server.options(), token: "alice", rooms: ["lobby"] });
        const heard = client.messages("lobby").next();
        expect((await server.clock.until(client.send("lobby", "grüße"))).status).toBe("acked");
        expect((await server.clock.until(heard)).value.content).toBe("grüße");
        await server.clock.until(client.close());
      });`,
  });
  const { stderr } = await run(process.execPath, [tool("jest/bin/jest.js"), "--ci", "--no-cache"], { cwd: root, env: { ...process.env, NODE_OPTIONS: "" } }).catch((error) => error);
  assert.match(stderr, /Tests: +1 passed/, stderr);
});
