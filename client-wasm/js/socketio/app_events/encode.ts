// Validates and encodes the arguments of an application event, with their bytes as attachments.
import { RejoinError } from "../../errors.js";
import { byteLength, jsonOf } from "../../util/text.js";
import { check } from "../../client/arguments.js";

/** Most attachments that servers take in one event. */
const MAX_ATTACHMENTS = 10;
/** Deeper than any value that may be sent, so that a cycle ends. */
const MAX_DEPTH = 70;

/** The encoded argument list, with placeholders, and its attachments. */
export interface EncodedArgs {
  json: string;
  attachments: Uint8Array[];
}

/** Throws for what cannot be sent. */
export function encodeArgs(list: readonly unknown[]): { data: EncodedArgs; bytes: number } {
  const attachments: Uint8Array[] = [];
  let hasPlaceholder = false;
  const extract = (value: any, depth: number): unknown => {
    const isBuffer = value instanceof ArrayBuffer;
    if (isBuffer || ArrayBuffer.isView(value)) {
      const bytes = isBuffer ? value.slice(0) : value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
      return { _placeholder: true, num: attachments.push(new Uint8Array(bytes)) - 1 };
    }
    if (typeof value != "object" || value == null || typeof value.toJSON == "function" || depth > MAX_DEPTH) return value;
    if (Array.isArray(value)) return value.map((part) => extract(part, depth + 1));
    hasPlaceholder ||= "_placeholder" in value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, extract(part, depth + 1)]));
  };
  const { json } = jsonOf(list.map((value) => extract(value, 1)), "the arguments");
  check(!attachments.length || !hasPlaceholder, "bad_argument", "an object has a field _placeholder", "beside bytes it would be taken for them: call it otherwise");
  if (attachments.length > MAX_ATTACHMENTS) {
    throw new RejoinError("bad_argument", `there are ${attachments.length} attachments`, `servers take ${MAX_ATTACHMENTS} in one event: send them apart`);
  }
  return { data: { json, attachments }, bytes: attachments.reduce((sum, { byteLength }) => sum + byteLength, byteLength(json)) };
}
