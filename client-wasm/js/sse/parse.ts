// Parses the events of a stream. Nothing received is trusted before it passed here.
import { isTimestamp, timestampOf } from "../protocol/timestamp.js";
import { isCount, isUser, wellFormedJson } from "../protocol/validate.js";

/** A parsed event. */
export type ParsedEvent =
  | { what: "message"; user: string; content: string; timestamp: string; data?: unknown }
  | { what: "gap"; epoch: string; after: number; before: number; reason: string }
  /** Any other event; `isBadMessage`: named like a message or a gap but with other data. */
  | { what: "event"; name: string; data: string; isBadMessage: boolean };

type Fields = { [name: string]: unknown };

/** Parses one event. Its data may be anything. */
export function parseEvent(kind: string, data: string): ParsedEvent {
  const other = (claims: boolean): ParsedEvent => ({ what: "event", name: kind, data, isBadMessage: claims });
  if (kind != "message" && kind != "gap") return other(false);
  const frame = parseObject(data);
  if (kind == "gap") return (frame && gap(frame)) ?? other(true);
  // Without a type the event name decides.
  if (typeof frame?.["type"] == "string" && frame["type"] != "message") return other(false);
  const { roomId, userId: user, content, timestamp, data: more } = frame ?? {};
  if (!isUser(roomId) || !isUser(user) || !isText(content) || !isTimestamp(timestamp)) return other(true);
  return { what: "message", user: `${user}`, content, timestamp: timestampOf(timestamp), ...(more != undefined && { data: more }) };
}

const isText = (value: unknown): value is string => typeof value == "string";

/** Undefined if it does not say of a room that something is missing there: others have events of this name too. */
function gap({ roomId, epoch, after, before, reason }: Fields): ParsedEvent | undefined {
  if (!isText(roomId) || !isText(reason)) return undefined;
  const number = (value: unknown) => (isCount(value) ? value : -1);
  return { what: "gap", epoch: isText(epoch) ? epoch : "", after: number(after), before: number(before), reason };
}

function parseObject(text: string): Fields | undefined {
  try {
    const value = JSON.parse(wellFormedJson(text));
    return value != undefined && typeof value == "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
