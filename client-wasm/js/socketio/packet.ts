import { isCount, repaired } from "../fields.js";

/** Nothing that follows on the connection can be understood. */
export class OutOfStep extends Error {}

/** Most attachments of one packet, and bytes of them. */
const MOST_ATTACHMENTS = 10;
const MOST_BYTES = 16 << 20;

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

interface Waiting {
  text: string;
  wanted: number;
  attachments: ArrayBuffer[];
  bytes: number;
}

/** `<type>[<attachments>-][<namespace>,][<ack>][<JSON>]` */
const FORM = /^([0-4]|[56](\d+)-)(?:(\/[^,]*),?)?(\d*)(.*)$/s;

/** Reads the packets of one connection: each whole, with its attachments in their places. */
export class Packets {
  #waiting: Waiting | undefined;

  /** A text of the engine's, without its digit. `undefined`: its attachments follow. */
  text(text: string): Packet | undefined {
    if (this.#waiting) throw new OutOfStep("a text where an attachment had to come");
    const [, , attachments] = form(text);
    const wanted = Number(attachments ?? 0);
    if (wanted > MOST_ATTACHMENTS) throw new OutOfStep("too many attachments");
    if (!wanted) return packet(text, []);
    this.#waiting = { text, wanted, attachments: [], bytes: 0 };
    return undefined;
  }

  /** A binary frame. `undefined`: others follow. */
  binary(bytes: ArrayBuffer): Packet | undefined {
    const waiting = this.#waiting;
    if (!waiting) throw new OutOfStep("an attachment that belongs to no packet");
    waiting.bytes += bytes.byteLength;
    if (waiting.bytes > MOST_BYTES) throw new OutOfStep("attachments of more than 16 MiB");
    waiting.attachments.push(bytes);
    if (waiting.attachments.length < waiting.wanted) return undefined;
    this.#waiting = undefined;
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

/** Names of ids, whose numbers may be too large for JavaScript: then they are read as the texts that they are here. */
const LARGE_ID = /"(roomId|userId|id|_id|messageId|message_id)"(\s*:\s*)(-?\d{16,64})(?=\s*[,}])/g;

/** The value of a packet's JSON, with each attachment where it belongs, `as` it is to be there. */
export function read(text: string, attachments: readonly ArrayBuffer[], as: (bytes: ArrayBuffer) => unknown): unknown {
  const json = /\d{16}/.test(text) ? text.replace(LARGE_ID, '"$1"$2"$3"') : text;
  try {
    const text = repaired(json);
    return attachments.length ? JSON.parse(text, (_, value) => filled(value, attachments, as)) : JSON.parse(text);
  } catch (error) {
    if (error instanceof OutOfStep) throw error;
    return undefined;
  }
}

/** An attachment where the JSON has a hole for it, for JSON has no bytes. */
function filled(value: any, attachments: readonly ArrayBuffer[], as: (bytes: ArrayBuffer) => unknown): unknown {
  if (value?._placeholder !== true) return value;
  const bytes = isCount(value.num) ? attachments[value.num] : undefined;
  if (!bytes) throw new OutOfStep("an attachment that did not come");
  return as(bytes);
}

function base64(bytes: ArrayBuffer): string {
  let characters = "";
  for (const byte of new Uint8Array(bytes)) characters += String.fromCharCode(byte);
  return btoa(characters);
}
