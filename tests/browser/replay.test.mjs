// The same script of inputs gives the same outputs natively and in wasm, to the number. The scripts are drawn from
// seeds: a plausible server for most of the time, and nonsense in between.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

if (!process.env.REJOIN_REPLAY) throw new Error("REJOIN_REPLAY names no program: run this by tests/run browser");
const root = new URL("../../client-wasm/", import.meta.url);
/** The smaller module and the one that can store, each with its own copy of the glue. */
const modules = await Promise.all(
  ["rejoin.wasm", "rejoin-store.wasm"].map(async (file) => {
    const { initSync, Machine } = await import(new URL(`pkg/rejoin.js?${file}`, root));
    return { file, Machine, ...initSync({ module: new WebAssembly.Module(readFileSync(new URL(`dist/${file}`, root))) }) };
  }),
);
const names = readFileSync(new URL("js/wasm/codes.ts", root), "utf8");
const kinds = Object.fromEntries(
  [.../enum Input \{([^}]*)\}/.exec(names)[1].matchAll(/(\w+) = (\d+)/g)].map(([, name, number]) => [name, Number(number)]),
);

/** Numbers below `below`, always the same for a seed. */
function draws(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function script(seed) {
  const draw = draws(seed);
  const lines = [];
  let now = 0;
  let conn = 0;
  let seq = 0;
  let frame = 0;
  const say = (kind, fields = [], ids = []) =>
    lines.push([kinds[kind], now, 1_700_000_000_000 + now, fields.join(",") || "-", ...ids].join(" "));
  say("Join", [1, 0, 0, 0]);
  say("Connect");
  for (let step = 0; step < 300; step++) {
    now += draw(4) ? draw(40) : draw(20_000);
    switch (draw(16)) {
      case 0:
        say("Opened", [++conn]);
        if (draw(4)) say("Hello", [conn, 1, 9, now, 30_000, 600_000, 65_536, 8_192, 256, 8, 200, 0, 1000, -1]);
        break;
      case 1:
      case 2:
        // Which request it answers is not known here: one of these will fit.
        for (let ref = 1; ref < 12; ref++) {
          say("Joined", [conn, 1, seq, 0, draw(2), 1 + draw(4), 77], [`j${ref}`, `E${+!draw(9)}`]);
        }
        break;
      case 3:
      case 4:
        say("Message", [conn, step, 1, (seq += 1 + !draw(9)), draw(2), 0], [`m${seq}`, "E0"]);
        break;
      case 5:
      case 6:
        say("Send", [step, 1 + draw(2), step, draw(200), draw(2) * 5000]);
        break;
      case 7:
        say("Ack", [conn, 1, ++seq, 0], [`s${1 + draw(30)}-${1 + draw(2)}`, `m${seq}`, "E0"]);
        break;
      case 8:
        say("Flushed", [conn, (frame += draw(4))]);
        break;
      case 9:
        if (!draw(3)) say("Closed", [conn, [1006, 1000, 1012, 4001][draw(12)] ?? 1006]);
        break;
      case 10:
        say("Nack", [conn, 1 + draw(12), draw(2), -1, -1, 0], [`s${1 + draw(30)}-1`]);
        break;
      case 11:
        say("Hint", [1 + draw(4)]);
        break;
      case 12:
        say("DialFailed", [++conn]);
        break;
      case 13:
        say(["UserJoined", "UserLeft", "SignalFrame", "Members", "Error"][draw(5)], [conn, 1, step]);
        break;
      case 14:
        say(["Presence", "Signal", "Leave", "Join"][draw(4)], [1 + draw(2), step]);
        break;
      default:
        say(Object.keys(kinds)[draw(Object.keys(kinds).length)], [draw(3), draw(5), draw(1000)], ["x", "E0"]);
    }
    say("Tick");
  }
  return lines;
}

/** What a module says to a script, in the words of `examples/replay.rs`. */
function inWasm({ Machine, memory, machine_changes: stores }, lines) {
  const machine = new Machine(7, 1, 0, false, false, 0, 0);
  const said = [];
  const fields = () => new Float64Array(memory.buffer, machine.slots(), 16);
  const buffer = () => new Uint8Array(memory.buffer, machine.id_buffer(), 272);
  for (const line of lines) {
    const [kind, monotonic, wall, numbers, ...ids] = line.split(" ");
    fields().fill(0).set(numbers == "-" ? [] : numbers.split(",").map(Number));
    const text = Buffer.from(ids.join(" "));
    buffer().set(text);
    machine.input(Number(kind), Number(monotonic), Number(wall), text.length);
    for (let output; (output = machine.poll()); ) {
      said.push(`${output} ${[...fields()].join(",")} ${Buffer.from(buffer().subarray(0, machine.ids())).toString()}`);
    }
    said.push(`deadline ${machine.deadline()}${stores ? ` changes ${machine.changes()}` : ""}`);
  }
  machine.free();
  return said;
}

test("fifty scripts of three hundred steps, natively and in wasm", () => {
  const heard = new Set();
  for (let seed = 1; seed <= 50; seed++) {
    const lines = script(seed);
    const natively = execFileSync(process.env.REJOIN_REPLAY, { input: `${lines.join("\n")}\n`, encoding: "utf8" });
    for (const module of modules) {
      const said = inWasm(module, lines);
      for (const line of said) heard.add(line.split(" ")[0]);
      const same = module.machine_changes ? natively : natively.replaceAll(/ changes \d+$/gm, "");
      assert.deepEqual(said, same.slice(0, -1).split("\n"), `${module.file}, seed ${seed}`);
    }
  }
  // Scripts that get nowhere would agree too.
  assert.ok(heard.size > 20, `only ${[...heard]}`);
});
