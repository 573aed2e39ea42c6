import { repaired } from "../fields.js";

/** An event as the page's own JSON reads it. */
export type Reading =
  | { what: "message"; user: string; content: string; timestamp: string; data?: unknown }
  | { what: "gap"; epoch: string; after: number; before: number; reason: string }
  /** None of these; `claims`: though its name says that it is a message. */
  | { what: "event"; name: string; data: string; claims: boolean };

type Fields = { [name: string]: unknown };

/** Reads an event. A server may send what it likes. */
export function reading(kind: string, data: string): Reading {
  if (kind == "gap") return gap(parsed(data) ?? {});
  const other = (claims: boolean): Reading => ({ what: "event", name: kind, data, claims });
  if (kind != "message") return other(false);
  const frame = parsed(data);
  // Without a type it is the event that says what it is.
  if (typeof frame?.["type"] == "string" && frame["type"] != "message") return other(false);
  const { roomId, userId: user, content, timestamp, data: more } = frame ?? {};
  const isText = (value: unknown): value is string => typeof value == "string";
  if (!isText(roomId) || !isText(user) || !isText(content) || !isText(timestamp)) return other(true);
  return { what: "message", user, content, timestamp, ...(more !== undefined && { data: more }) };
}

/** That something is missing is said by the event alone. */
function gap({ epoch, after, before, reason }: Fields): Reading {
  const text = (value: unknown) => (typeof value == "string" ? value : "");
  const number = (value: unknown) => (typeof value == "number" && value >= 0 ? value : -1);
  return { what: "gap", epoch: text(epoch), after: number(after), before: number(before), reason: text(reason) };
}

function parsed(text: string): Fields | undefined {
  try {
    const value = JSON.parse(repaired(text));
    return value != undefined && typeof value == "object" && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
