// A page of the demonstration in a real Chromium, and what is asked of each: nothing in the console, nothing that axe-core
// finds, nothing wider than the screen, in each size and colour scheme. Pictures are kept where REJOIN_PICTURES says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { browser } from "./page.mjs";

const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

export const wide = { width: 1280, height: 800 };
const narrow = { width: 380, height: 780 };

/** A tab with this page, and the errors that it has told so far. */
export async function demo(t, port, path = "", options = {}) {
  const context = await browser(t, { viewport: wide, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${port}/demo/${path}`);
  return { page, errors };
}

/** The page as it stands now, in two sizes and two colour schemes. */
export async function inspect(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [narrow, wide]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize(viewport);
      const what = `${name}-${viewport.width}-${colorScheme}`;
      if (process.env.REJOIN_PICTURES) await page.screenshot({ path: `${process.env.REJOIN_PICTURES}/${what}.png` });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= viewport.width, `${what} is ${width} wide`);
      // What a debugger evaluates, the page's policy does not forbid.
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
      assert.deepEqual(found, [], what);
    }
  }
}
