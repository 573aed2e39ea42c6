// A page in a real Chromium that has the package, with a client whose events are told here.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";
import { Journal } from "../interop/journal.mjs";
import { project } from "./package.mjs";
import { site } from "./site.mjs";

export const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

const start = { executablePath: process.env.REJOIN_CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags };

/** The Chromium that the tests of a file share, once one of them needs it: to start one takes longer than most tests. */
let shared;
after(async () => (await shared)?.close());

/** A visitor's browser, with storage and cache of its own. `options`: of its context. */
export async function browser(t, options = {}) {
  shared ??= chromium.launch(start);
  const context = await (await shared).newContext(options);
  t.after(() => context.close());
  return context;
}

/** A Chromium of its own, which keeps pages that were left for the way back, with a profile on disk. */
export async function browserWithBackForwardCache(t) {
  const profile = mkdtempSync(join(tmpdir(), "rejoin-profile-"));
  let context;
  t.after(async () => {
    await context?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  });
  context = await chromium.launchPersistentContext(profile, {
    ...start,
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  return context;
}

export const strict = {
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://127.0.0.1:*",
};

const script = `
import { connect, RejoinError, SendError } from "./rejoin/index.js";
Object.assign(window, { connect, RejoinError, SendError, clients: [] });
window.start = async (name, url, options) => {
  const client = await connect(url, options).catch((error) => {
    // Of a cause nothing would be seen outside of the page.
    if (error.cause) error.message += \`: \${error.cause}\`;
    throw error;
  });
  window.clients[name] = client;
  for (const event of ["state", "mode", "ready", "room", "joined", "message", "user_joined", "user_left", "presence",
                       "signal", "notification", "gap", "error"]) {
    client.on(event, (what) => window.tell?.({ client: name, event, what, at: performance.now() }));
  }
  window.tell?.({ client: name, event: "state", what: client.status });
};
document.title = "loaded";
`;

/** A site with the package under /rejoin/ and a page that starts clients. */
export async function pages(t, headers = strict) {
  const root = project(t, {
    "index.html": '<!doctype html><html lang="en"><meta charset="utf-8"><title>…</title><script type="module" src="page.js"></script>',
    "page.js": script.replaceAll("./rejoin/", "./node_modules/rejoin/dist/"),
    "elsewhere.html": "<!doctype html><title>elsewhere</title>",
  });
  return site(t, root, headers);
}

/** One tab. */
export class Tab {
  /** What the clients of this tab told, in order. */
  events;
  /** What the page's own error handler got. */
  errors = [];

  static async open(t, context, address, { clock = false } = {}) {
    const tab = new Tab();
    tab.events = new Journal("the page");
    tab.page = await context.newPage();
    tab.page.on("pageerror", (error) => tab.errors.push(error.message));
    tab.page.on("console", (message) => message.type() == "error" && tab.errors.push(message.text()));
    await tab.page.exposeBinding("tell", (_, event) => tab.events.add(event));
    if (clock) await tab.page.clock.install();
    await tab.load(address);
    return tab;
  }

  /** The same for a frame of this tab that has the script. */
  async within(frame) {
    await frame.waitForFunction(() => document.title == "loaded");
    return Object.assign(new Tab(), { page: frame, events: this.events, errors: this.errors });
  }

  async load(address) {
    await this.page.goto(address);
    await this.page.waitForFunction(() => document.title == "loaded");
  }

  start(name, url, options = {}) {
    return this.page.evaluate(([name, url, options]) => window.start(name, url, options), [name, url, options]);
  }

  /** Calls a method of a client; what it resolves to, or the error's fields. */
  ask(name, method, ...args) {
    return this.page.evaluate(
      async ([name, method, args]) => {
        try {
          return await window.clients[name][method](...args);
        } catch ({ name, code, outcome, hint, message, answer }) {
          return { error: name, code, outcome, hint, message, ...(answer !== undefined && { answer }) };
        }
      },
      [name, method, args],
    );
  }

  async heard(name, event, matches = () => true) {
    const { found, skipped } = await this.events.until(
      (told) => told.client == name && told.event == event && matches(told.what),
      `${event} of ${name}`,
    );
    return { what: found.what, skipped };
  }

  state(name, state) {
    return this.heard(name, "state", (what) => what.state == state);
  }

  said(name, content) {
    return this.heard(name, "message", (what) => what.content == content);
  }
}
