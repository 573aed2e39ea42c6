import { position, type Frame } from "./fields.js";
import { causeCodes, codes, gapReasons, joinReasons, modes, Output, roomStates, states } from "./names.js";
import type { Table } from "./table.js";
import type { Clock, Events, Message } from "./types.js";

/** Said of a dial that the page itself forbids. */
export const BLOCKED =
  "blocked by the page: allow the address in its content security policy (connect-src), use wss:// on https://";

/** An event by its name. */
export type Told = { [K in keyof Events]: [name: K, event: Events[K]] }[keyof Events];

/** The event that an output is, if it is one. `words` are what somebody said about the cause. */
export function told(
  kind: Output,
  fields: readonly number[],
  table: Table,
  clock: Clock,
  ids: () => string[],
  words: () => string,
): Told | undefined {
  const [a, b, c, d, e, f] = fields as [number, number, number, number, number, number];
  const room = table.name(a);
  switch (kind) {
    case Output.State: {
      const state: Events["state"] = { state: states[a - 1]! };
      if (b) state.attempt = b;
      if (c >= 0) state.retryAt = Math.round(clock.Date.now() + Math.max(c - clock.performance.now(), 0));
      if (d) {
        state.cause = { code: causeCodes[d - 1]!, willRetry: f == 1 };
        if (e) state.cause.number = e;
        const text = words();
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
      return ["room", { room, state, ...(c && { code: codes[c - 1]!, ...table.refusal }), ...(c && state == "joining" && { willRetry: true }) }];
    }
    case Output.Joined: {
      const { members, memberCount } = table.frame(b) as Events["presence"] & Frame;
      const reason = joinReasons[e - 1];
      return ["joined", { room, recovered: c == 1, replayed: d, members, memberCount, ...(reason && { reason }) }];
    }
    case Output.Message:
      return ["message", message(table.frame(a))];
    case Output.Notification: {
      const frame = table.frame(a);
      const { kind, data, replay } = frame as { kind: string; data?: unknown; replay?: unknown };
      return ["notification", { room: "@me", kind, data, position: position(frame)!, replay: replay === true }];
    }
    case Output.UserJoined:
    case Output.UserLeft: {
      const { userId: user } = table.frame(b) as { userId: string };
      return [kind == Output.UserJoined ? "user_joined" : "user_left", { room: roomOf(table.frame(b)), user }];
    }
    case Output.Members: {
      const { members, memberCount } = table.frame(b) as Events["presence"] & Frame;
      return ["presence", { room, members, memberCount }];
    }
    case Output.Signal: {
      const { userId: user, kind, data } = table.frame(b) as { userId: string; kind: string; data?: unknown };
      return ["signal", { room, user, kind, data }];
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
      return ["error", { ...(table.frame(a) as Events["error"]), ...(b && { code: codes[b - 1]! }) }];
    }
    case Output.Garbled:
      return ["error", { message: "a text that is no frame", code: "garbled" }];
    default:
      return undefined;
  }
}

/** Of a room that nobody here has asked for there is no number. */
const roomOf = (frame: Frame): string => frame["roomId"] as string;

function message(frame: Frame): Message {
  const { userId, content, timestamp, data, replay } = frame as { [field: string]: string } & { data?: unknown; replay?: unknown };
  const at = position(frame);
  return {
    room: roomOf(frame),
    user: userId!,
    content: content!,
    timestamp: timestamp!,
    replay: replay === true,
    ...(data !== undefined && { data }),
    ...(at && { position: at }),
  };
}
