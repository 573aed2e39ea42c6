import { isText, numberOf, refusalOf, type Frame } from "../fields.js";
import { codes } from "../names.js";
import { isObject } from "./answer.js";
import type { EventNames } from "./events.js";
import { Said } from "./names.js";

/** An event of rooms: what it is to the machine, what the page keeps of it, and the number that goes with it. */
export interface Heard {
  kind: Said;
  kept?: Frame;
  /** Of a room its name. */
  with?: number | string;
  /** Of a notification with several arguments: its data if the last of them is the place to recover from. */
  before?: Frame;
}

/** The longest trailing text that may be a place to recover from. */
const PLACE = /^[\w.-]{1,64}$/;
/** The fields that a notification of the contract may have; those of a place in a log only together. */
const OWN_FIELDS: readonly string[] = ["kind", "data", "type", "id", "epoch", "seq", "replay"];

/** Reads an event's arguments. Throws what an event of rooms must not be. */
export function heard(names: EventNames, [called, ...given]: readonly unknown[]): Heard {
  const [payload] = given;
  const { roomId, userId, content, timestamp, message, data } = isObject(payload) ? payload : {};
  const text = (field: unknown): string => {
    if (!isText(field)) throw new Error(`a field of ${called} is no text`);
    return field;
  };
  const name = (field: unknown): string => text(Number.isFinite(field) ? String(field) : field);
  switch (names.meant(called)) {
    case "message": {
      const room = name(roomId);
      const said = { roomId: room, userId: name(userId), content: text(content), timestamp: text(time(timestamp)), data };
      return { kind: Said.Message, kept: said, with: room };
    }
    case "user_joined": {
      const room = name(roomId);
      return { kind: Said.UserJoined, kept: { roomId: room, userId: name(userId) }, with: room };
    }
    case "error":
      // Many servers send the bare text.
      if (isText(payload)) return { kind: Said.Error, kept: { message: payload } };
      return { kind: Said.Error, kept: refusalOf({ ...(payload as Frame), message: text(message) }), with: numberOf(codes, (payload as Frame)["code"]) };
    case "notification": {
      const kept = notification(called as string, given);
      // A list of one is the one, and the last may be no part of it.
      const before = given.length > 1 && trailing([called, ...given])[0] ? { before: notification(called as string, given.slice(0, -1)) } : {};
      return { kind: Said.Notification, kept, with: +(kept["data"] !== undefined), ...before };
    }
    default:
      return { kind: Said.Unknown };
  }
}

/**
 * The kind is what the contract's own event says, or the event's name. The data is the contract's, where there is nothing
 * beside it; else everything that was sent.
 */
function notification(called: string, given: readonly unknown[]): Frame {
  const [payload] = given;
  const whole = given.length == 1 ? payload : given.length ? given : undefined;
  if (called != "notification" || !isObject(payload) || typeof payload["kind"] != "string") return { kind: called, data: whole };
  const { kind, data } = payload;
  const isOwn = Object.keys(payload).every((name) => OWN_FIELDS.includes(name)) && "id" in payload == "epoch" in payload;
  return { kind, data: isOwn && given.length == 1 ? data : whole };
}

/** A timestamp as the contract writes it, from a text as it is or from the time since 1970; empty where there is none. */
function time(timestamp: unknown): unknown {
  if (timestamp == undefined) return "";
  if (typeof timestamp != "number") return timestamp;
  if (timestamp < 0) return String(timestamp);
  // Seconds, or thousandths, millionths or milliardths of them, whichever is a time that people live in.
  const scale = [1e11, 1e14, 1e17].findIndex((end) => timestamp < end);
  const millis = Math.floor(timestamp * [1e3, 1, 1e-3, 1e-6].at(scale)! + (Number.isInteger(timestamp) ? 0 : 0.5));
  const date = new Date(Math.min(millis, Date.UTC(9999, 11, 31, 23, 59, 59, 999)));
  return Number.isNaN(date.valueOf()) ? String(timestamp) : date.toISOString();
}

/** What the last argument is, if it may be the place to recover from: 1 a text, 2 behind an object. */
export function trailing([, ...given]: readonly unknown[]): [what: number, text: string] {
  const text = given.at(-1);
  if (typeof text != "string" || !PLACE.test(text)) return [0, ""];
  return [isObject(given.at(-2)) ? 2 : 1, text];
}
