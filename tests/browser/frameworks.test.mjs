// The README's examples for React, Vue and Svelte, as they are written there, in a real Chromium against the real server.

import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { build, transform } from "esbuild";
import { RejoinServer } from "../interop/processes.mjs";
import { browser } from "./page.mjs";
import { project } from "./package.mjs";
import { Proxy, site } from "./site.mjs";

const readme = readFileSync(new URL("../../client-wasm/README.md", import.meta.url), "utf8");

/** The example below a heading. */
function example(heading) {
  const [, code] = new RegExp(`### ${heading}\n[^]*?\`\`\`tsx?\n([^]*?)\`\`\``).exec(readme);
  return code;
}

const html = '<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title><link rel="icon" href="data:,"><body><main></main><script type="module" src="page.js"></script>';

/** A component's part of a page that uses `useRoom` and `useConnection` of an example: what it shows, and what it offers the test. */
const client = (url) => `
  import { connect } from "rejoin";
  const client = await connect(${JSON.stringify(url)}, { token: "alice" });
  window.client = client;
`;

/** The page of these files, whose entry is `page.*`. */
async function open(t, files, entry, tools, plugins = []) {
  const root = project(t, { "package.json": '{ "type": "module" }', "dist/index.html": html, ...files }, tools);
  // esbuild takes no file along.
  cpSync(`${root}/node_modules/rejoin/dist/rejoin.wasm`, `${root}/dist/rejoin.wasm`);
  await build({
    absWorkingDir: root, entryPoints: [entry], bundle: true, format: "esm", outdir: "dist", logLevel: "silent", jsx: "automatic", plugins,
    conditions: ["browser"], resolveExtensions: [".svelte.ts", ".tsx", ".ts", ".js"],
    define: { "process.env.NODE_ENV": '"development"', __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
  });
  const page = await (await browser(t)).newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() == "error" && !/WebSocket connection/.test(message.text()) && errors.push(message.text()));
  await page.goto(await site(t, `${root}/dist`));
  return { page, errors };
}

async function rig(t) {
  const server = await RejoinServer.start(t, "--listen", "127.0.0.1:0", "--allow-origin", "*");
  return { server, proxy: await Proxy.start(t, server.port) };
}

test("React's example is a chat that says how it stands", async (t) => {
  const { proxy } = await rig(t);
  const code = example("React").replace("wss://chat.example/ws", proxy.url);
  const { page, errors } = await open(t, {
    "chat.tsx": code,
    "page.tsx": `
      import { StrictMode } from "react";
      import { createRoot } from "react-dom/client";
      import { App } from "./chat";
      Object.assign(window, { fetchToken: async () => "alice" });
      createRoot(document.querySelector("main")!).render(<StrictMode><App /></StrictMode>);`,
  }, "page.tsx", ["react", "react-dom", "scheduler"]);
  const say = async (text) => {
    await page.getByRole("textbox").fill(text);
    await page.getByRole("textbox").press("Enter");
  };
  await page.getByRole("status").filter({ hasText: /^Connected$/ }).waitFor();
  await say("hello");
  await page.getByText("alice: hello").waitFor();
  proxy.refuse();
  await page.getByRole("status").filter({ hasText: /^No connection, trying again/ }).waitFor();
  await say("from a tunnel");
  await page.getByText("from a tunnel (waiting)").waitFor();
  proxy.allow();
  await page.getByText("alice: from a tunnel").waitFor();
  assert.equal(await page.getByText("from a tunnel").count(), 1);
  assert.deepEqual(errors, []);
});

/** What every example has to do: show what is said and the state, and leave the room with its component. */
async function works(t, { page, errors }, { server, proxy }) {
  await page.getByText("joined connected").waitFor();
  await page.evaluate(() => window.send("hello"));
  await page.getByText("alice: hello").waitFor();
  proxy.refuse();
  await page.getByText(/^joined reconnecting$/).waitFor();
  await page.evaluate(() => void window.send("from a tunnel"));
  proxy.allow();
  await page.getByText("alice: from a tunnel").waitFor();
  assert.deepEqual(await page.locator("li").allTextContents(), ["alice: hello", "alice: from a tunnel"]);
  await page.evaluate(() => window.unmount());
  await page.waitForFunction(() => window.client.rooms.size == 0);
  assert.deepEqual(errors, []);
}

test("Vue's example shows a room and the connection, and leaves the room with its component", async (t) => {
  const servers = await rig(t);
  const opened = await open(t, {
    "room.ts": example("Vue"),
    "page.ts": `${client(servers.proxy.url)}
      import { createApp, h } from "vue";
      import { useConnection, useRoom } from "./room";
      const app = createApp({
        setup() {
          const { messages, state, send } = useRoom(client, "lobby");
          const status = useConnection(client);
          Object.assign(window, { send });
          return () => [h("p", [state.value, " ", status.value.state]), h("ul", messages.value.map(({ user, content }) => h("li", [user, ": ", content])))];
        },
      });
      Object.assign(window, { unmount: () => app.unmount() });
      app.mount("main");`,
  }, "page.ts", ["vue"]);
  await works(t, opened, servers);
});

test("Svelte's example shows a room, and leaves it with its component", async (t) => {
  const servers = await rig(t);
  const { compile, compileModule } = await import("svelte/compiler");
  /** What Svelte's plugins for bundlers do. */
  const svelte = {
    name: "svelte",
    setup({ onLoad }) {
      onLoad({ filter: /\.svelte$/ }, ({ path }) => ({ contents: compile(readFileSync(path, "utf8"), { filename: path, generate: "client" }).js.code }));
      onLoad({ filter: /\.svelte\.ts$/ }, async ({ path }) => {
        const { code } = await transform(readFileSync(path, "utf8"), { loader: "ts" });
        return { contents: compileModule(code, { filename: path, generate: "client" }).js.code };
      });
    },
  };
  const opened = await open(t, {
    "room.svelte.ts": example("Svelte"),
    "Room.svelte": `<script>
        import { useRoom } from "./room.svelte.ts";
        const { client } = $props();
        // svelte-ignore state_referenced_locally
        const room = useRoom(client, "lobby");
        let status = $state.raw(client.status);
        $effect(() => client.on("state", (changed) => (status = changed)));
        window.send = room.send;
      </script>
      <p>{room.state} {status.state}</p>
      <ul>{#each room.messages as { user, content }}<li>{user}: {content}</li>{/each}</ul>`,
    "page.ts": `${client(servers.proxy.url)}
      import { mount, unmount } from "svelte";
      import Room from "./Room.svelte";
      const room = mount(Room, { target: document.querySelector("main")!, props: { client } });
      Object.assign(window, { unmount: () => unmount(room) });`,
  }, "page.ts", ["svelte"], [svelte]);
  await works(t, opened, servers);
});
