// An event's arguments on their way out: checked, copied, and their bytes taken out.
import { RejoinError } from "../../errors.js";
import { byteLength, jsonOf } from "../../text.js";
import { check } from "../../validate.js";

/** Most attachments that servers take in one event. */
const MOST_ATTACHMENTS = 10;
/** More levels than may be sent, so that a cycle ends. */
const DEEPEST = 70;

/** A list as it goes over the wire, with holes, and what belongs into them. */
export interface Parcel {
  json: string;
  attachments: Uint8Array[];
}

/** Throws for what cannot be sent. */
export function parcel(list: readonly unknown[]): { data: Parcel; bytes: number } {
  const attachments: Uint8Array[] = [];
  let hasHole = false;
  const taken = (value: any, depth: number): unknown => {
    const isBuffer = value instanceof ArrayBuffer;
    if (isBuffer || ArrayBuffer.isView(value)) {
      const bytes = isBuffer ? value.slice(0) : value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength);
      return { _placeholder: true, num: attachments.push(new Uint8Array(bytes)) - 1 };
    }
    if (typeof value != "object" || value == null || typeof value.toJSON == "function" || depth > DEEPEST) return value;
    if (Array.isArray(value)) return value.map((part) => taken(part, depth + 1));
    hasHole ||= "_placeholder" in value;
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, taken(part, depth + 1)]));
  };
  const { json } = jsonOf(list.map((value) => taken(value, 1)), "the arguments");
  check(!attachments.length || !hasHole, "bad_argument", "an object has a field _placeholder", "beside bytes it would be taken for them: call it otherwise");
  if (attachments.length > MOST_ATTACHMENTS) {
    throw new RejoinError("bad_argument", `there are ${attachments.length} attachments`, `servers take ${MOST_ATTACHMENTS} in one event: send them apart`);
  }
  return { data: { json, attachments }, bytes: attachments.reduce((sum, { byteLength }) => sum + byteLength, byteLength(json)) };
}
