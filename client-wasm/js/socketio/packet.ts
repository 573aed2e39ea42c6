// Parses Socket.IO packets and assembles their attachments.
import { toBase64 } from "../util/base64.js";
import { isCount, wellFormedJson } from "../protocol/validate.js";

/** The packet stream is broken: nothing that follows can be parsed. */
export class OutOfSync extends Error {}

/** Most attachments of one packet, and bytes of them. */
const MAX_ATTACHMENTS = 10;
const MAX_BYTES = 16 << 20;

/** A Socket.IO packet, with its JSON read. */
export interface Packet {
  type: number;
  namespace: string;
  ack: number | undefined;
  /** The JSON in it, and its value: `undefined` for nothing, and for what is no JSON. */
  json: string;
  payload: unknown;
  attachments: readonly ArrayBuffer[];
  /** Its bytes, about. */
  size: number;
}

interface IncompletePacket {
  text: string;
  wanted: number;
  attachments: ArrayBuffer[];
  bytes: number;
}

/** `<type>[<attachments>-][<namespace>,][<ack>][<JSON>]` */
const FORM = /^([0-4]|[56](\d+)-)(?:(\/[^,]*),?)?(\d*)(.*)$/s;

/** Parses the packets of one connection, each complete with its attachments. */
export class Packets {
  #incomplete: IncompletePacket | undefined;

  /** An Engine.IO message without its type digit. Returns undefined while attachments are missing. */
  text(text: string): Packet | undefined {
    if (this.#incomplete) throw new OutOfSync("a text where an attachment had to come");
    const [, , attachments] = form(text);
    const wanted = Number(attachments ?? 0);
    if (wanted > MAX_ATTACHMENTS) throw new OutOfSync("too many attachments");
    if (!wanted) return packet(text, []);
    this.#incomplete = { text, wanted, attachments: [], bytes: 0 };
    return undefined;
  }

  /** A binary frame. Returns undefined while attachments are missing. */
  binary(bytes: ArrayBuffer): Packet | undefined {
    const waiting = this.#incomplete;
    if (!waiting) throw new OutOfSync("an attachment that belongs to no packet");
    waiting.bytes += bytes.byteLength;
    if (waiting.bytes > MAX_BYTES) throw new OutOfSync("attachments of more than 16 MiB");
    waiting.attachments.push(bytes);
    if (waiting.attachments.length < waiting.wanted) return undefined;
    this.#incomplete = undefined;
    return packet(waiting.text, waiting.attachments);
  }
}

function form(text: string): RegExpExecArray {
  const found = FORM.exec(text);
  if (!found) throw new Error("no packet");
  return found;
}

function packet(text: string, attachments: readonly ArrayBuffer[]): Packet {
  const [, type, , namespace = "/", number, json] = form(text);
  const ack = number ? Number(number) : undefined;
  if (ack != undefined && !Number.isSafeInteger(ack)) throw new Error("the number of an ack is beyond 2^53");
  const size = attachments.reduce((size, { byteLength }) => size + byteLength, text.length);
  return { type: Number(type![0]), namespace, ack, json: json!, payload: read(json!, attachments, base64), attachments, size };
}

const base64 = (bytes: ArrayBuffer): string => toBase64(new Uint8Array(bytes));

/** Fields with ids: numbers too large for JavaScript are read as strings. */
const LARGE_ID = /"(roomId|userId|id|_id|messageId|message_id)"(\s*:\s*)(-?\d{16,64})(?=\s*[,}])/g;

/** The value of a packet's JSON with its attachments inserted, converted by `as`. */
export function read(text: string, attachments: readonly ArrayBuffer[], as: (bytes: ArrayBuffer) => unknown): unknown {
  const json = /\d{16}/.test(text) ? text.replace(LARGE_ID, '"$1"$2"$3"') : text;
  try {
    const text = wellFormedJson(json);
    return attachments.length ? JSON.parse(text, (_, value) => fillPlaceholder(value, attachments, as)) : JSON.parse(text);
  } catch (error) {
    if (error instanceof OutOfSync) throw error;
    return undefined;
  }
}

/** Replaces a placeholder by its attachment. */
function fillPlaceholder(value: any, attachments: readonly ArrayBuffer[], as: (bytes: ArrayBuffer) => unknown): unknown {
  if (value?._placeholder !== true) return value;
  const bytes = isCount(value.num) ? attachments[value.num] : undefined;
  if (!bytes) throw new OutOfSync("an attachment that did not come");
  return as(bytes);
}
