// The pages that the reference server shows at /demo/: what stands there for everybody.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";

test("no page allows anything from elsewhere, nor inline script or style", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  for (const page of ["", "one.html", "compare.html"]) {
    const response = await fetch(`http://127.0.0.1:${server.port}/demo/${page}`);
    assert.equal(response.status, 200);
    const policy = response.headers.get("content-security-policy");
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /'unsafe-inline'|'unsafe-eval'|\*|https?:/);
  }
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/demo/nothing`)).status, 404);
});

test("socket.io-client is served with its licence", async (t) => {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0");
  const script = await (await fetch(`http://127.0.0.1:${server.port}/demo/package/socket.io.js`)).text();
  assert.match(script, /^\/\*![^]*MIT License[^]*Permission is hereby granted/i);
});
