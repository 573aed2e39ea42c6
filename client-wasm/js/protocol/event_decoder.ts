// Decodes machine outputs into the events of a client.
import { timestampOf } from "./timestamp.js";
import { positionOf, type Frame } from "./validate.js";
import { causeCodes, codes, gapReasons, joinReasons, modes, Output, roomStates, states } from "../wasm/codes.js";
import type { HandleTable } from "../wasm/handle_table.js";
import type { Clock, Events, Message } from "../types.js";

/** The cause text of a dial that the page's own policy forbids. */
export const BLOCKED =
  "blocked by the page: allow the address in its content security policy (connect-src), use wss:// on https://";

/** An event by its name. */
export type NamedEvent = { [K in keyof Events]: [name: K, event: Events[K]] }[keyof Events];

/** Decodes an output into an event, if it is one. `causeText` returns the text of the cause. */
export function decode(
  kind: Output,
  fields: readonly number[],
  handles: HandleTable,
  clock: Clock,
  ids: () => string[],
  causeText: () => string,
): NamedEvent | undefined {
  const [a, b, c, d, e, f, g] = fields as [number, number, number, number, number, number, number];
  const room = handles.name(a);
  switch (kind) {
    case Output.State: {
      const state: Events["state"] = { state: states[a - 1]! };
      if (b) state.attempt = b;
      if (c >= 0) state.retryAt = Math.round(clock.Date.now() + Math.max(c - clock.performance.now(), 0));
      if (d) {
        state.cause = { code: causeCodes[d - 1]!, willRetry: f == 1 };
        if (e) state.cause.number = e;
        if (g) state.cause.lastCode = causeCodes[g - 1]!;
        const text = causeText();
        if (text) state.cause.text = text;
        if (text == BLOCKED) state.cause.code = "blocked";
      }
      return ["state", state];
    }
    case Output.Mode:
      return ["mode", modes[a - 1]!];
    case Output.Ready:
      return ["ready", modes[a - 1]!];
    case Output.Room: {
      const state = roomStates[b - 1]!;
      return ["room", { room, state, ...(c && { code: codes[c - 1]!, ...handles.refusal }), ...(c && state == "joining" && { willRetry: true }) }];
    }
    case Output.Joined: {
      const { members, memberCount } = handles.frame(b) as Events["presence"] & Frame;
      const reason = joinReasons[e - 1];
      return ["joined", { room, recovered: c == 1, replayed: d, members, memberCount, ...(reason && { reason }) }];
    }
    case Output.Message:
      return ["message", message(handles.frame(a))];
    case Output.Notification: {
      const frame = handles.frame(a);
      const { kind, data, replay } = frame as { kind: string; data?: unknown; replay?: unknown };
      return ["notification", { room: "@me", kind, data: data ?? undefined, position: positionOf(frame)!, replay: replay === true }];
    }
    case Output.UserJoined:
    case Output.UserLeft: {
      // A room that was not joined has no number.
      const { roomId, userId } = handles.frame(b);
      return [kind == Output.UserJoined ? "user_joined" : "user_left", { room: `${roomId}`, user: `${userId}` }];
    }
    case Output.Members: {
      const { members, memberCount } = handles.frame(b) as Events["presence"] & Frame;
      return ["presence", { room, members, memberCount }];
    }
    case Output.Signal: {
      const { userId: user, kind, data } = handles.frame(b) as { userId: string; kind: string; data?: unknown };
      return ["signal", { room, user, kind, data: data ?? undefined }];
    }
    case Output.Gap: {
      const gap: Events["gap"] = { room, reason: gapReasons[b - 1]! };
      const [epoch] = ids();
      if (epoch) gap.epoch = epoch;
      if (c >= 0) gap.after = c;
      if (d >= 0) gap.before = d;
      return ["gap", gap];
    }
    case Output.ServerError: {
      return ["error", { ...(handles.frame(a) as Events["error"]), ...(b && { code: codes[b - 1]! }) }];
    }
    case Output.Malformed:
      return ["error", { message: "a text that is no frame", code: "garbled", ...handles.refusal }];
    default:
      return undefined;
  }
}

function message(frame: Frame): Message {
  const { roomId, userId, content, timestamp, data, replay } = frame as { [field: string]: string } & { data?: unknown; replay?: unknown };
  const position = positionOf(frame);
  return {
    room: `${roomId}`,
    user: `${userId}`,
    content: content!,
    timestamp: timestampOf(timestamp),
    replay: replay === true,
    ...(data != undefined && { data }),
    ...(position && { position: position }),
  };
}
