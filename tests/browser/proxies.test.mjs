// The chat that the server shows at /demo/, in a browser that knows the proxy in front of it only.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RejoinServer } from "../interop/processes.mjs";
import { Apache, Caddy, Haproxy, Nginx } from "../interop/proxies.mjs";
import { browser } from "./page.mjs";

const start = (t) => RejoinServer.start(t, "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1/32", "--allow-host", "rejoin");

/** A page that talks, and hears itself. */
async function chat(t, server, proxy) {
  const context = await browser(t, { ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  await page.goto(`${proxy.http}/demo/one.html${proxy.prefix && `?path=${proxy.prefix}/ws`}`);
  await page.getByLabel("Your name").fill("alice");
  await page.getByRole("dialog").getByRole("button", { name: "Join" }).click();
  await page.getByText(/^Connected/).waitFor();
  await page.getByLabel("Message").fill("through the proxy");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("log").getByText("through the proxy").waitFor();
  assert.deepEqual(errors, [], server.stderr);
}

for (const [name, Proxy] of Object.entries({ nginx: Nginx, haproxy: Haproxy, Caddy, Apache })) {
  test(`a page talks through ${name} as the manual sets it up`, async (t) => {
    const server = await start(t);
    await chat(t, server, await Proxy.start(t, server.port));
  });
}

for (const [name, Proxy] of Object.entries({ nginx: Nginx, haproxy: Haproxy, Caddy, Apache })) {
  test(`a page talks through ${name} under a path`, async (t) => {
    const server = await start(t);
    await chat(t, server, await Proxy.start(t, server.port, { path: true }));
  });
}

test("a page talks through nginx that asks for its upstream's name, if X-Forwarded-Host has the page's", async (t) => {
  const server = await start(t);
  const upgrade = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
  await chat(t, server, await Nginx.plain(t, server.port, `${upgrade} proxy_set_header X-Forwarded-Host $http_host;`));
});
