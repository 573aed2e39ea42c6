// Three clients, the same cuts: what each lost or doubled.

import "./links.js";
import { Cable } from "./cable.js";
import { loadSocketIo, rejoin, socketIo } from "./contestants.js";
import { showState } from "./words.js";

const $ = (id) => document.getElementById(id);
const path = new URLSearchParams(location.search).get("path") ?? "/ws";
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** For how long they write, and how often a cable is cut meanwhile, in ms. */
const WRITING = 12_000;
const CUTS = 3;
const PACE = 200;
/** It is over when nothing has come for so long while all are connected, and at the latest after that, in ms. */
const QUIET = 4000;
const LONGEST = 40_000;

const io = await loadSocketIo();
const retries = { retries: 10, ackTimeout: 2000 };
const contestants = [
  ["Rejoin", "as it comes", rejoin],
  ["socket.io-client", "as it comes", socketIo(io)],
  ["socket.io-client", "retries: 10, ackTimeout: 2000", socketIo(io, retries)],
].map(([title, options, open]) => {
  $("clients").append($("client").content.cloneNode(true));
  const card = $("clients").lastElementChild;
  card.querySelector("h3").textContent = title;
  card.querySelector("code").textContent = options;
  return { card, open, cable: new Cable() };
});
$("version").textContent = (await (await fetch("package/manifest.json")).json()).npm["socket.io-client"];

/** One direction of one client: how often each text has arrived. */
class Count {
  #arrived = new Map();

  write() {
    const text = `message ${this.#arrived.size + 1}`;
    this.#arrived.set(text, 0);
    return text;
  }

  receive(text) {
    if (this.#arrived.has(text)) this.#arrived.set(text, this.#arrived.get(text) + 1);
  }

  get result() {
    const times = [...this.#arrived.values()];
    const arrived = times.filter((time) => time > 0).length;
    return { written: times.length, arrived, missing: times.length - arrived, twice: times.filter((time) => time > 1).length };
  }
}

/** From when on the cables are how: slow for a while, so that something is under way when they are cut. */
function draw() {
  const between = (least, most) => least + Math.random() * (most - least);
  const plan = [];
  for (let cut = 0, at = 0; cut < CUTS; cut++) {
    plan.push([at + 500, "slow"]);
    at += between(1200, 2600);
    plan.push([at, "cut"]);
    at += between(700, 1200);
    plan.push([at, "whole"]);
  }
  return plan;
}

/** The same for all cables. */
function setCables(state) {
  for (const { cable } of contestants) cable.state = state;
  $("cable").dataset.state = state;
  $("choice").querySelector(`[value="${state}"]`).checked = true;
}
$("choice").addEventListener("change", ({ target }) => setCables(target.value));

async function open(contestant, run) {
  const name = `${run}-${contestants.indexOf(contestant)}`;
  contestant.up = new Count();
  contestant.down = new Count();
  [contestant.inside, contestant.outside] = await Promise.all([
    contestant.open(path, `${name}-a`, name, contestant.cable),
    contestant.open(path, `${name}-b`, name, new Cable()),
  ]);
  contestant.inside.receive((text) => came(contestant.down, text));
  contestant.outside.receive((text) => came(contestant.up, text));
}

let last = 0;
function came(count, text) {
  last = performance.now();
  count.receive(text);
}

function show({ card, up, down, inside }, isOver) {
  const counts = { up: up.result, down: down.result };
  for (const cell of card.querySelectorAll("[data-count]")) {
    const [way, what] = cell.dataset.count.split(".");
    cell.textContent = counts[way][what];
    // What is under way is missing only at the end.
    cell.dataset.bad = String(counts[way][what] > 0 && (what == "twice" || isOver));
  }
  card.querySelector(".under-way").textContent = isOver ? "missing" : "under way";
  showState(card.querySelector(".state"), inside.state());
  const verdict = card.querySelector(".verdict");
  if (!isOver) return (verdict.textContent = "");
  const missing = counts.up.missing + counts.down.missing;
  const twice = counts.up.twice + counts.down.twice;
  verdict.textContent = missing + twice ? `${missing} missing, ${twice} twice` : "Each arrived, each once";
  verdict.dataset.bad = String(missing + twice > 0);
}

function phase(text) {
  $("phase").textContent = text;
}

$("run").addEventListener("click", async () => {
  // A button that is disabled loses the focus of whoever uses the keyboard.
  if ($("run").ariaDisabled == "true") return;
  $("run").ariaDisabled = "true";
  setCables("whole");
  phase("Connecting");
  for (const { inside, outside } of contestants) [inside, outside].forEach((client) => client?.close());
  const run = `demo-${Math.random().toString(36).slice(2, 8)}`;
  await Promise.all(contestants.map((contestant) => open(contestant, run)));
  const started = performance.now();
  const plan = draw();
  phase("Writing");
  for (let at = 0; (at = performance.now() - started) < WRITING; ) {
    while (plan.length && plan[0][0] <= at) setCables(plan.shift()[1]);
    for (const { inside, outside, up, down } of contestants) {
      inside.write(up.write());
      outside.write(down.write());
    }
    contestants.forEach((contestant) => show(contestant, false));
    await pause(PACE);
  }
  phase("All cables are whole again: waiting for what is still to come");
  last = performance.now();
  const until = last + LONGEST;
  const isQuiet = () => performance.now() - last > QUIET && contestants.every(({ inside }) => inside.state().light == "good");
  while (!isQuiet() && performance.now() < until) {
    contestants.forEach((contestant) => show(contestant, false));
    await pause(PACE);
  }
  contestants.forEach((contestant) => show(contestant, true));
  phase("Done");
  $("run").ariaDisabled = "false";
});
phase("Ready");
$("run").disabled = false;
