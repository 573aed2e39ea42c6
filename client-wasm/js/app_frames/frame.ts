// Validates application frames, in both directions.
import { isServerFrame } from "../protocol/frames.js";
import { byteLength, jsonOf, wellFormed } from "../util/text.js";
import { check, checkArgument, object, type Rule } from "../client/arguments.js";
import { isText, wellFormedJson } from "../protocol/validate.js";
import type { AnyFrame } from "./types.js";

/** Frame types that clients send. */
const CLIENT_TYPES: readonly string[] = ["join_room", "leave_room", "send_message", "history", "presence", "signal", "ping", "auth"];

/** Bytes as the application has them, and no view that changes afterwards. */
const bytesOf = (frame: ArrayBufferView): Uint8Array =>
  new Uint8Array(frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength));

const jsonRule: Rule = [(value) => object[0](value) || Array.isArray(value), "an object or a list"];

/** Throws for the types of frames that are the protocol's own. */
function checkName(name: string | undefined): void {
  const isReserved = name != undefined && (isServerFrame(name) || CLIENT_TYPES.includes(name));
  check(!isReserved, "bad_argument", `"${name}" is the type of a frame of the protocol`, "give it another one");
}

/** Copies a frame to be sent, as JSON, bytes or a text as it is, and measures it. Throws if it cannot be sent. */
export function checkFrame(frame: unknown): { data: unknown; bytes: number } {
  if (typeof frame == "string" && frame) {
    const data = wellFormed(frame);
    checkName(parseFrame(data)?.name);
    return { data, bytes: byteLength(data) };
  }
  const isBinary = ArrayBuffer.isView(frame);
  if (!isBinary) checkArgument(frame, jsonRule, "frame");
  const { copy: data, json } = isBinary ? { copy: bytesOf(frame), json: "" } : jsonOf(frame, "frame");
  // A Date, for instance, is a text as JSON.
  if (!isBinary) checkArgument(data, jsonRule, "frame");
  // Servers read JSON in bytes too.
  checkName(isBinary ? parseFrame(data)?.name : typeOf(data));
  return { data, bytes: isBinary ? frame.byteLength : byteLength(json) };
}

/** The `type` of JSON, if it has one that is a text. */
export function typeOf(data: any): string | undefined {
  const name: unknown = Array.isArray(data) ? undefined : data?.type;
  return isText(name) ? name : undefined;
}

/** A frame that came, or is to go: bytes that are no JSON with a `type` are its data; `undefined` for a text that is no JSON. */
export function parseFrame(given: unknown): AnyFrame | undefined {
  const isBinary = typeof given != "string";
  try {
    const text = isBinary ? new TextDecoder("utf-8", { fatal: true }).decode(given as Uint8Array) : given;
    const data: unknown = JSON.parse(wellFormedJson(text));
    const name = typeOf(data);
    if (name != undefined) return { name, data };
    if (!isBinary) return { data };
  } catch {
    if (!isBinary) return undefined;
  }
  return { data: new Uint8Array(given as ArrayBuffer) };
}
