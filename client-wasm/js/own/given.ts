// What an application gives to be sent: checked before anything is kept.
import { isServers } from "../frames.js";
import { byteLength, jsonOf } from "../text.js";
import { argument, check, object } from "../validate.js";
import { frameOf, nameOf } from "./frame.js";

/** What the protocol's client says. */
const CLIENTS: readonly string[] = ["join_room", "leave_room", "send_message", "history", "presence", "signal", "ping", "auth"];

/** Bytes as the application has them, and no view that changes afterwards. */
const bytesOf = (frame: ArrayBufferView): Uint8Array =>
  new Uint8Array(frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength));

/** A copy of what is to be sent, as JSON holds it or in bytes, and how much it is. Throws for what cannot be sent. */
export function given(frame: unknown): { data: unknown; bytes: number } {
  const isBinary = ArrayBuffer.isView(frame);
  if (!isBinary) argument(frame, [(value) => object[0](value) || Array.isArray(value), "an object or a list"], "frame");
  const { copy: data, json } = isBinary ? { copy: bytesOf(frame), json: "" } : jsonOf(frame, "frame");
  // Servers read JSON in bytes too.
  const name = isBinary ? frameOf(data)?.name : nameOf(data);
  const isTaken = name != undefined && (isServers(name) || CLIENTS.includes(name));
  check(!isTaken, "bad_argument", `"${name}" is the type of a frame of the protocol`, "give it another one");
  return { data, bytes: isBinary ? frame.byteLength : byteLength(json) };
}
