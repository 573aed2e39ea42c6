// Pages that can be frozen. Playwright keeps every page visible, and Chromium freezes hidden ones only: this speaks
// to a Chromium of its own.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { inTime } from "../interop/journal.mjs";
import { flags } from "./page.mjs";

export class Freezable {
  #socket;
  #asked = 0;
  #answers = new Map();

  static async start(t) {
    const profile = mkdtempSync(join(tmpdir(), "rejoin-profile-"));
    const args = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${profile}`, ...flags, "about:blank"];
    const child = spawn(process.env.REJOIN_CHROMIUM ?? "/usr/bin/chromium", args, { stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise((resolve) => child.on("close", resolve));
    t.after(async () => {
      child.kill("SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
    });
    const address = new Promise((resolve) => {
      createInterface({ input: child.stderr }).on("line", (line) => {
        const [, address] = /listening on (ws:\S+)/.exec(line) ?? [];
        if (address) resolve(address);
      });
    });
    const browser = new Freezable();
    browser.#socket = new WebSocket(await inTime(address, "Chromium's address"));
    t.after(() => browser.#socket.terminate());
    await new Promise((resolve) => browser.#socket.on("open", resolve));
    browser.#socket.on("message", (data) => {
      const { id, result, error } = JSON.parse(data);
      browser.#answers.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
      browser.#answers.delete(id);
    });
    return browser;
  }

  #ask(method, params, sessionId) {
    const id = ++this.#asked;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return inTime(new Promise((resolve) => this.#answers.set(id, resolve)), method);
  }

  /** A page at this address, once it is loaded. */
  async page(url) {
    const { targetId } = await this.#ask("Target.createTarget", { url });
    const { sessionId } = await this.#ask("Target.attachToTarget", { targetId, flatten: true });
    const page = {
      /** What a function that is called in the page gives or resolves to. */
      evaluate: async (run, ...args) => {
        const expression = `(${run})(...${JSON.stringify(args)})`;
        const { result, exceptionDetails } = await this.#ask(
          "Runtime.evaluate",
          { expression, awaitPromise: true, returnByValue: true },
          sessionId,
        );
        if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      },
      freeze: () => this.#ask("Page.setWebLifecycleState", { state: "frozen" }, sessionId),
      resume: () => this.#ask("Page.setWebLifecycleState", { state: "active" }, sessionId),
    };
    while ((await page.evaluate(() => document.title)) != "loaded");
    return page;
  }
}
