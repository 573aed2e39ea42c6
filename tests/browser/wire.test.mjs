// The golden frames, read and written by the driver: the same files that the Rust side and the server read.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";

const source = fileURLToPath(new URL("../../client-wasm/js/protocol/frames.ts", import.meta.url));
const bundle = async (path) => {
  const contents = `export * from ${JSON.stringify(path)}; export { positionOf } from "./protocol/validate.js"; export { Input, Output } from "./wasm/codes.js";`;
  const stdin = { contents, resolveDir: fileURLToPath(new URL("../../client-wasm/js", import.meta.url)), loader: "ts" };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "esm", target: "es2022" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
};
const { read, write, positionOf, Input, Output } = await bundle(source);

/** What the machine is told of a text, with the frames that are kept for it. */
function told(text) {
  const inputs = [];
  const kept = [];
  const keep = (frame) => kept.push(frame);
  read(1, text, {
    machine: { input: (kind, fields, ids = []) => inputs.push([kind, ...fields, ids.join()]) },
    handles: { find: (name) => (name == undefined ? 0 : 5), number: () => 6, add: keep, hold: keep },
    redirect: (url) => url != undefined,
  });
  return { inputs, positions: kept.map(positionOf) };
}

for (const name of ["plain", "extended"]) {
  const golden = JSON.parse(readFileSync(new URL(`../wire/${name}.json`, import.meta.url), "utf8"));

  test(`${name}: a server's frame is read as what it is, or refused`, () => {
    for (const { name, text, is, error } of golden.server) {
      const heard = told(text);
      if (error) assert.deepEqual(heard.inputs, [[Input.Malformed, 1, ""]], name);
      else if (is == null) assert.deepEqual(heard.inputs, [[Input.UnknownFrame, 1, ""]], name);
      else {
        assert.notEqual(heard.inputs.at(-1)[0], Input.Malformed, name);
        assert.deepEqual(heard, told(JSON.stringify(is)), name);
      }
    }
  });

  test(`${name}: a frame of ours is written to the letter`, () => {
    for (const { name, text, is, canonical } of golden.client) {
      if (!canonical) continue;
      const { type, roomId, ref = "", content, data, kind, token, pid = "", pseq = 0, epoch = "" } = is;
      const { since, history } = is;
      const outputs = {
        join_room: [Output.SendJoin, [history == undefined ? 0 : history + 1, since?.seq ?? 0], [ref, since?.epoch, since?.id]],
        leave_room: [Output.SendLeave, [], [ref]],
        send_message: [Output.SendMessage, [8, pseq], [ref, pid, epoch]],
        history: [Output.SendHistory, [is.after, is.limit], [ref, epoch]],
        presence: [Output.SendPresence, [], []],
        signal: [Output.SendSignal, [8], []],
        ping: [Output.SendPing, [], []],
        auth: [Output.SendAuth, [], [ref]],
      };
      const [output, fields, ids] = outputs[type];
      const writer = { name: () => roomId, payload: () => (type == "signal" ? { kind, data } : { content, data }), token: () => token };
      assert.equal(write(output, [1, 1, is.t ?? 5, ...fields], ids, writer), text, name);
    }
  });
}

test("JSON that is no object is refused, whatever it is", () => {
  for (const text of ["null", "1", "true", '"message"', "[]", "[null]", '{"type":null}', '{"type":["message"]}', ""]) {
    assert.deepEqual(told(text).inputs, [[Input.Malformed, 1, ""]], text);
  }
});
