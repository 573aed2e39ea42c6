import { isText, numberOf, type Frame } from "../fields.js";
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
}

/** The longest trailing text that may be a place to recover from. */
const PLACE = /^[\w.-]{1,64}$/;

/** Reads an event's arguments. Throws what an event of rooms must not be. */
export function heard(names: EventNames, [called, ...given]: readonly unknown[]): Heard {
  const [payload] = given;
  const { roomId: room, userId, content, timestamp, message, data } = isObject(payload) ? payload : {};
  const texts = (...fields: unknown[]) => {
    if (!fields.every(isText)) throw new Error(`a field of ${called} is no text`);
  };
  switch (names.meant(called)) {
    case "message":
      texts(room, userId, content, timestamp);
      return { kind: Said.Message, kept: { roomId: room, userId, content, timestamp, data }, with: room as string };
    case "user_joined":
      texts(room, userId);
      return { kind: Said.UserJoined, kept: { roomId: room, userId }, with: room as string };
    case "error": {
      // Many servers send the bare text.
      if (isText(payload)) return { kind: Said.Error, kept: { message: payload } };
      texts(message);
      return { kind: Said.Error, kept: { message }, with: numberOf(codes, (payload as Frame)["code"]) };
    }
    case "notification": {
      // An object with a `kind` is one as the contract has it; anything else is one of the event's kind.
      const own = called == "notification" && isObject(payload) && typeof payload["kind"] == "string";
      const kept = own ? { kind: payload["kind"], data } : { kind: called, data: payload };
      return { kind: Said.Notification, kept, with: +(kept.data !== undefined) };
    }
    default:
      return { kind: Said.Unknown };
  }
}

/** What the last argument is, if it may be the place to recover from: 1 a text, 2 behind an object, 3 alone. */
export function trailing([, ...given]: readonly unknown[]): [what: number, text: string] {
  const text = given.at(-1);
  if (typeof text != "string" || !PLACE.test(text)) return [0, ""];
  return [given.length == 1 ? 3 : isObject(given.at(-2)) ? 2 : 1, text];
}
