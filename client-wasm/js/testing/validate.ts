// Validates the frames of the client under test, strictly.
import type { Position } from "../types.js";

/** A validated frame of a client. */
export type ClientFrame =
  | { type: "join_room"; roomId: string; ref?: string; since?: Position; history?: number }
  | { type: "leave_room"; roomId: string; ref?: string }
  | SendFrame
  | { type: "history"; ref: string; roomId: string; epoch: string; after: number; limit: number }
  | { type: "presence"; roomId: string }
  | { type: "signal"; roomId: string; kind: string; data?: unknown }
  | { type: "ping"; t: number }
  | { type: "auth"; ref: string; token: string };

/** A frame of the server. */
export type ServerFrame = { type: string; [field: string]: unknown };

/** A message on its way to a room. */
export interface SendFrame {
  /** The frame's type. */
  type: "send_message";
  /** The room's name. */
  roomId: string;
  /** The text. */
  content: string;
  /** What was sent beside the text. */
  data?: unknown;
  /** Another one for each transmission. */
  ref?: string;
  /** The log that its number counts in. */
  epoch?: string;
  /** Its producer, of which each client has one. */
  pid?: string;
  /** Its number among those of its producer, from 1. */
  pseq?: number;
}

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value == "string";
const id: Check = (value) => typeof value == "string" && /^[\w-]{1,64}$/.test(value);
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const position: Check = (value) =>
  typeof value == "object" && value != null && !difference(value as object, { epoch: id, seq: count, id }, {});
const any: Check = () => true;

type Fields = { [name: string]: Check };

/** Required and optional fields of each frame. */
const frames: { [type: string]: [must: Fields, may: Fields] } = {
  join_room: [{ roomId: text }, { ref: id, since: position, history: count }],
  leave_room: [{ roomId: text }, { ref: id }],
  send_message: [{ roomId: text, content: text }, { data: any, ref: id, epoch: id, pid: id, pseq: count }],
  history: [{ ref: id, roomId: text, epoch: id, after: count, limit: count }, {}],
  presence: [{ roomId: text }, {}],
  signal: [{ roomId: text, kind: text }, { data: any }],
  ping: [{ t: count }, {}],
  auth: [{ ref: id, token: text }, {}],
};

const plain = ["join_room", "leave_room", "send_message"];

/** Describes the first field that is wrong. */
function difference(given: object, must: Fields, may: Fields): string | undefined {
  const missing = Object.keys(must).find((name) => !(name in given));
  if (missing) return `it has no ${missing}`;
  const wrong = Object.entries(given).find(([name, value]) => !(must[name] ?? may[name])?.(value));
  if (wrong) return must[wrong[0]] || may[wrong[0]] ? `its ${wrong[0]} is not what it should be` : `nobody knows its ${wrong[0]}`;
  return undefined;
}

/** Validates a frame, or throws with the reason: stricter than real servers, so that tests find mistakes. */
export function parseClientFrame(data: string, extended: boolean): ClientFrame {
  const refuse = (why: string) => {
    // An auth frame contains a token, which must not appear in an error.
    return new Error(`FakeServer: a client sent what is no frame: ${why}${/token/.test(data) ? "" : `: ${data}`}`);
  };
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    throw refuse("it is not JSON");
  }
  const { type, ...fields } = (frame ?? {}) as { type?: string };
  const known = type != undefined && Object.hasOwn(frames, type) ? frames[type] : undefined;
  if (!known) throw refuse("no type that is known");
  if (!extended && !plain.includes(type!)) throw refuse(`${type} on a plain connection`);
  const why = difference(fields, ...known);
  if (why) throw refuse(why);
  const { pid, pseq, epoch, ref } = fields as Partial<SendFrame>;
  const numbered = [pid, pseq, epoch].filter((field) => field != undefined).length;
  if (type == "send_message" && numbered && (numbered < 3 || !ref || !pseq)) {
    throw refuse("a numbered send has ref, pid, pseq from 1, and epoch");
  }
  return frame as ClientFrame;
}
