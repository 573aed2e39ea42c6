// The golden frames, read and written by the driver: the same files that the Rust side and the server read.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";

const source = fileURLToPath(new URL("../../client-wasm/js/protocol/frames.ts", import.meta.url));
const bundle = async (path) => {
  const contents = `export * from ${JSON.stringify(path)}; export { decode } from "./protocol/event_decoder.js"; export { positionOf } from "./protocol/validate.js"; export { parseEvent } from "./sse/parse.js"; export { Input, Output } from "./wasm/codes.js";`;
  const stdin = { contents, resolveDir: fileURLToPath(new URL("../../client-wasm/js", import.meta.url)), loader: "ts" };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, format: "esm", target: "es2022" });
  return import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
};
const { read, write, decode, positionOf, parseEvent, Input, Output } = await bundle(source);

/** What a client tells of a message, but for its data; of another frame its position. */
function message(frame) {
  if (frame.type != "message") return positionOf(frame);
  const { data, ...message } = decode(Output.Message, [], { name: () => "", frame: () => frame })[1];
  return message;
}

/** What the machine is told of a text, with the frames that are kept for it, as a client tells them. */
function told(text) {
  const inputs = [];
  const kept = [];
  const keep = (frame) => kept.push(frame);
  read(1, text, {
    machine: { input: (kind, fields, ids = []) => inputs.push([kind, ...fields, ids.join()]) },
    handles: { find: (name) => (name == undefined ? 0 : 5), number: () => 6, add: keep, hold: keep },
    redirect: (url) => url != undefined,
  });
  return { inputs, messages: kept.map(message) };
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

/** The fields of frames, and the kinds of values that each may have: the Rust side reads the same table. */
const table = JSON.parse(readFileSync(new URL("../wire/fields.json", import.meta.url), "utf8"));

/** The frame with another value at a path, or with none. */
const withValue = (frame, [name, ...inner], value) => ({ ...frame, [name]: inner.length ? withValue(frame[name], inner, value) : value });

test("a field of a server's frame may have the kinds of values that the table has", () => {
  const wrong = [];
  for (const { frame, read } of table.frames) {
    for (const [path, expected] of Object.entries(read)) {
      const isRead = ([, value]) => {
        const [[kind]] = told(JSON.stringify(withValue(frame, path.split("."), value))).inputs.slice(-1);
        return kind != Input.Malformed && kind != Input.UnknownFrame;
      };
      const names = [["missing"], ...table.values].filter(isRead).map(([name]) => name).join(" ");
      if (names != expected) wrong.push(`${frame.type} ${path}: ${names}, not ${expected}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("a message in a stream of events may have the kinds of values that one in a frame may have", () => {
  const { frame, read } = table.frames.find(({ frame }) => frame.type == "message");
  for (const [path, expected] of Object.entries(read)) {
    const isRead = ([, value]) => parseEvent("message", JSON.stringify({ ...frame, [path]: value })).what == "message";
    assert.equal([["missing"], ...table.values].filter(isRead).map(([name]) => name).join(" "), expected, path);
  }
  const { server } = JSON.parse(readFileSync(new URL("../wire/plain.json", import.meta.url), "utf8"));
  for (const { name, text, is } of server.filter(({ is }) => is?.type == "message")) {
    assert.equal(parseEvent("message", text).timestamp, is.timestamp, name);
  }
});

test("data that is null is none, as native clients have it", () => {
  for (const [output, type] of [[Output.Message, "message"], [Output.Notification, "notification"], [Output.Signal, "signal"]]) {
    const { frame } = table.frames.find(({ frame }) => frame.type == type);
    const event = decode(output, [], { name: () => "", frame: () => ({ ...frame, data: null }) })[1];
    assert.equal(event.data, undefined, type);
  }
  const { frame } = table.frames[0];
  assert.equal(parseEvent("message", JSON.stringify({ ...frame, data: null })).data, undefined);
});

test("JSON that is no object is refused, whatever it is", () => {
  for (const text of ["null", "1", "true", '"message"', "[]", "[null]", '{"type":null}', '{"type":["message"]}', ""]) {
    assert.deepEqual(told(text).inputs, [[Input.Malformed, 1, ""]], text);
  }
});

test("a byte-order mark in front of a frame is skipped, in a text and in bytes", () => {
  const text = '\ufeff{"type":"user_joined","roomId":"lobby","userId":42}';
  for (const frame of [text, new TextEncoder().encode(text).buffer]) assert.equal(told(frame).inputs[0][0], Input.UserJoined);
});
