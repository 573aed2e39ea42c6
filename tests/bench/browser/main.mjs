// tests/run bench browser [--rounds N] [PEER]...
//
// Figures of a page with each peer, rounds of all alternating, each with a server and a browser window of its own; prints
// the medians and their ratio to socket.io-client of the same run. Absolute figures move with the machine.

import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { inTime } from "../../interop/journal.mjs";
import { flags } from "../../browser/page.mjs";
import { site } from "./pages.mjs";
import { peers } from "./peers.mjs";

const RECEIVED = 20_000;
const SENT = 5_000;
/** Of Chromium's own presets: what its developer tools name "slow 4G", and a phone of the lower half. */
const SLOW = { offline: false, latency: 150, downloadThroughput: (1.6e6 / 8) * 0.9, uploadThroughput: (750e3 / 8) * 0.9 };
const SLOW_CPU = 6;
/** What takes longer hangs. */
const DEADLINE = 120_000;

const { values, positionals } = parseArgs({ options: { rounds: { type: "string", default: "15" } }, allowPositionals: true });
const rounds = Number(values.rounds);
const chosen = peers.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (!(rounds >= 1) || chosen.length === 0) {
  console.error(`bench browser: --rounds N, and peers of: ${peers.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

/** Ends what one round has started, the newest first. */
class Round {
  #cleanings = [];
  after(clean) {
    this.#cleanings.unshift(clean);
  }
  async end() {
    for (const clean of this.#cleanings) await clean();
  }
}

/** Opens the page and waits for its first message; `slow`: over a bad network, on a slow processor. */
async function opened(round, browser, address, url, { slow = false } = {}) {
  const context = await browser.newContext();
  round.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Performance.enable");
  if (slow) {
    await cdp.send("Network.enable");
    await cdp.send("Network.emulateNetworkConditions", SLOW);
    await cdp.send("Emulation.setCPUThrottlingRate", { rate: SLOW_CPU });
  }
  await page.goto(`${address}#${encodeURIComponent(url)}`, { waitUntil: "commit" });
  await page.waitForFunction(() => window.first ?? window.failed);
  const { first, failed } = await page.evaluate(() => ({ first: window.first, failed: window.failed }));
  if (failed) throw new Error(failed);
  const busy = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  };
  return { page, first, busy };
}

/** Milliseconds of the main thread that `work` costs. */
async function cost(busy, work) {
  const before = await busy();
  await work();
  return (await busy()) - before;
}

async function measured(browser, peer, address, sizes) {
  const figures = {};
  for (const slow of [false, true]) {
    const round = new Round();
    try {
      const server = await peer.serve(round);
      const { page, first, busy } = await opened(round, browser, address, server.url, { slow });
      if (slow) {
        figures["first message, slow 4G and CPU, ms"] = first;
        continue;
      }
      Object.assign(figures, sizes());
      figures["first message, ms"] = first;
      figures[`received ${RECEIVED}, ms of the main thread`] = await cost(busy, async () => {
        await page.evaluate((count) => void (window.all = window.peer.receive(count)), RECEIVED);
        await Promise.all([page.evaluate(() => window.all), server.flood(RECEIVED)]);
      });
      figures[`sent ${SENT}, ms of the main thread`] = await cost(busy, () => page.evaluate((count) => window.peer.send(count), SENT));
      figures["memory, KiB"] = await page.evaluate(async () => (await performance.measureUserAgentSpecificMemory()).bytes / 1024);
    } finally {
      await round.end();
    }
  }
  return figures;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const all = new Round();
try {
  const browser = await chromium.launch({
    executablePath: process.env.REJOIN_CHROMIUM ?? "/usr/bin/chromium",
    args: [...flags, "--enable-blink-features=ForceEagerMeasureMemory"],
  });
  all.after(() => browser.close());
  const contenders = [];
  for (const peer of chosen) contenders.push({ peer, site: await site(all, peer), rounds: [] });
  for (let number = 1; number <= rounds; number++) {
    for (const { peer, site, rounds } of contenders) {
      rounds.push(await inTime(measured(browser, peer, site.url, site.sizes), `the figures of ${peer.name}`, DEADLINE));
    }
    process.stderr.write(`round ${number} of ${rounds}\r`);
  }
  const [baseline] = contenders;
  for (const figure of Object.keys(baseline.rounds[0])) {
    console.log(`\n${figure}`);
    const of = ({ rounds }) => median(rounds.map((figures) => figures[figure]));
    for (const contender of contenders) {
      const ratio = of(contender) / of(baseline);
      console.log(`  ${contender.peer.name.padEnd(20)}${of(contender).toFixed(0).padStart(10)}${ratio.toFixed(2).padStart(8)} ×`);
    }
  }
} finally {
  await all.end();
}
