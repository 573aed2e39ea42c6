// Validates the arguments of the contract's events.
import { isText, codeNumber, refusalOf, type Frame } from "../protocol/validate.js";
import { codes } from "../wasm/codes.js";
import { timestampOf } from "../protocol/timestamp.js";
import { isObject } from "./ack_result.js";
import type { EventNames } from "./event_names.js";
import { PacketIn } from "./codes.js";

/** An event of the contract, validated: the machine's input, the value to keep, and one detail. */
export interface ParsedEvent {
  kind: PacketIn;
  value?: Frame;
  /** The room's name, or a number that depends on the kind. */
  detail?: number | string;
  /** Of a notification with several arguments: its value if the last argument is a recovery offset. */
  withoutOffset?: Frame;
}

/** The form of a recovery offset. */
const OFFSET = /^[\w.-]{1,64}$/;
/** The fields that a notification of the contract may have; the fields of a position only together. */
const OWN_FIELDS: readonly string[] = ["kind", "data", "type", "id", "epoch", "seq", "replay"];

/** Validates an event's arguments. Throws if they are not those of the contract. */
export function parseEvent(names: EventNames, [wireName, ...given]: readonly unknown[]): ParsedEvent {
  const [payload] = given;
  const { roomId, userId, content, timestamp, message, data } = isObject(payload) ? payload : {};
  const text = (field: unknown): string => {
    if (!isText(field)) throw new Error(`a field of ${wireName} is no text`);
    return field;
  };
  const name = (field: unknown): string => text(Number.isFinite(field) ? String(field) : field);
  switch (names.eventOf(wireName)) {
    case "message": {
      const room = name(roomId);
      const message = { roomId: room, userId: name(userId), content: text(content), timestamp: text(timestampOf(timestamp)), data };
      return { kind: PacketIn.Message, value: message, detail: room };
    }
    case "user_joined": {
      const room = name(roomId);
      return { kind: PacketIn.UserJoined, value: { roomId: room, userId: name(userId) }, detail: room };
    }
    case "error":
      // Many servers send a plain string.
      if (isText(payload)) return { kind: PacketIn.Error, value: { message: payload } };
      return { kind: PacketIn.Error, value: refusalOf({ ...(payload as Frame), message: text(message) }), detail: codeNumber(codes, (payload as Frame)["code"]) };
    case "notification": {
      const kept = notification(wireName as string, given);
      // With one argument the value is that argument; the last argument may be a recovery offset instead of data.
      const mayBeOffset = given.length > 1 && trailingOffset([wireName, ...given])[0];
      const withoutOffset: Pick<ParsedEvent, "withoutOffset"> = mayBeOffset ? { withoutOffset: notification(wireName as string, given.slice(0, -1)) } : {};
      return { kind: PacketIn.Notification, value: kept, detail: +(kept["data"] !== undefined), ...withoutOffset };
    }
    default:
      return { kind: PacketIn.Unknown };
  }
}

/**
 * The kind is what the contract's own event says, or the event's name. The data is the contract's, where there is nothing
 * beside it; else everything that was sent.
 */
function notification(wireName: string, given: readonly unknown[]): Frame {
  const [payload] = given;
  const all = given.length == 1 ? payload : given.length ? given : undefined;
  if (wireName != "notification" || !isObject(payload) || typeof payload["kind"] != "string") return { kind: wireName, data: all };
  const { kind, data } = payload;
  const isOwn = Object.keys(payload).every((name) => OWN_FIELDS.includes(name)) && "id" in payload == "epoch" in payload;
  return { kind, data: isOwn && given.length == 1 ? data : all };
}

/** Whether the last argument may be a recovery offset: 1 a text, 2 a text after an object, 0 no. */
export function trailingOffset([, ...given]: readonly unknown[]): [what: number, text: string] {
  const text = given.at(-1);
  if (typeof text != "string" || !OFFSET.test(text)) return [0, ""];
  return [isObject(given.at(-2)) ? 2 : 1, text];
}
