import { codes, Input, joinReasons, Output } from "./names.js";
import type { Machine } from "./machine.js";
import type { Table } from "./table.js";
import type { Position } from "./types.js";

/** A frame as JSON gave it: nothing is certain about it. */
export type Frame = { readonly [field: string]: unknown };

/** What a frame is read with. */
export interface Reader {
  machine: Pick<Machine, "input">;
  table: Pick<Table, "find" | "number" | "keep" | "pass">;
  /** Where the server that goes away sends us: whether we follow. */
  moved(url: unknown): boolean;
}

type Check = (value: unknown) => boolean;

// A lone surrogate is no text anywhere else.
const isText = (value: unknown): value is string => typeof value == "string" && !/\p{Surrogate}/u.test(value);
const isId = (value: unknown): value is string => typeof value == "string" && /^[\w-]{1,64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isTruth: Check = (value) => typeof value == "boolean";
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const maybe = (check: Check): Check => (value) => value == undefined || check(value);
const has = (shape: Shape): Check => (value) =>
  value != undefined && typeof value == "object" && Object.entries(shape).every(([name, check]) => check((value as Frame)[name]));

type Shape = { [field: string]: Check };

const checks = { t: isText, i: isId, n: isCount, b: isTruth, l: isTexts } as { [letter: string]: Check };

/** `roomId:t seq?:n`: a text, and a count that may be absent. */
const shape = (fields: string): Shape =>
  Object.fromEntries(
    fields.split(" ").map((field) => {
      const [name, letter] = field.split(":") as [string, string];
      return name.endsWith("?") ? [name.slice(0, -1), maybe(checks[letter]!)] : [name, checks[letter]!];
    }),
  );

const message = shape("roomId:t userId:t content:t timestamp:t");

/** What a frame must be like, by its type. Fields that only say more about a message are looked at one by one. */
const shapes = /* @__PURE__ */ new Map<unknown, Shape>(
  Object.entries({
    message,
    user_joined: shape("roomId:t userId:t"),
    user_left: shape("roomId:t userId:t"),
    error: shape("message:t"),
    hello: {
      ...shape("v:n userId:t serverTime?:n heartbeatMs:n dedupeWindowMs:n"),
      limits: has(shape("frameBytes:n contentBytes:n rooms:n inFlight:n replay:n sendPerSec?:n")),
      reconnect: has(shape("windowMs:n")),
      auth: maybe(has(shape("expiresInMs:n"))),
    },
    joined: shape("ref:i roomId:t epoch:i seq:n replay:n recovered:b reason?:t members?:l memberCount?:n"),
    left: shape("ref?:i roomId:t code?:t"),
    ack: shape("ref:i roomId:t id:i epoch:i seq:n timestamp?:t dup?:b"),
    nack: shape("ref:i code:t retry?:b retryAfterMs?:n expected?:n dup?:b message?:t"),
    history: {
      ...shape("ref:i roomId:t epoch:i complete:b"),
      messages: (value) => Array.isArray(value) && value.every(has(message)),
    },
    presence: shape("roomId:t members?:l memberCount?:n"),
    signal: shape("roomId:t userId:t kind:t"),
    notification: shape("kind:t id:i epoch:i seq:n replay?:b"),
    pong: shape("t:n"),
    auth_expiring: shape("inMs:n"),
    auth_ok: shape("ref:i expiresInMs?:n"),
    going_away: shape("windowMs:n url?:t"),
  } satisfies { [type: string]: Shape }),
);

const id = (value: unknown): string => (isId(value) ? value : "");
const count = (value: unknown): number => (isCount(value) ? value : 0);
const maybeCount = (value: unknown): number => (isCount(value) ? value : -1);
const truth = (value: unknown): number => +(value === true);
const code = (value: unknown): number =>
  isText(value) ? codes.indexOf(value as never) + 1 || codes.length : 0;

/** A message's place in its log, if it has one. */
export function position(frame: Frame): Position | undefined {
  const { id, epoch, seq } = frame;
  return isId(id) && isId(epoch) && isCount(seq) ? { epoch, seq, id } : undefined;
}

/** seq, replay, pseq and id, epoch, pid: of a message that has a place. */
function stamp(frame: Frame): [numbers: number[], ids: string[]] {
  const at = position(frame);
  if (!at) return [[0, 0, 0], []];
  const own = isId(frame["pid"]) && isCount(frame["pseq"]);
  return [
    [at.seq, truth(frame["replay"]), own ? count(frame["pseq"]) : 0],
    [at.id, at.epoch, own ? id(frame["pid"]) : ""],
  ];
}

/** Tells the machine what a text from the server says. */
export function read(conn: number, text: unknown, reader: Reader): void {
  const { machine, table } = reader;
  const say = (kind: Input, more: number[], ids?: string[]) => machine.input(kind, [conn, ...more], ids);
  let frame: Frame;
  try {
    frame = JSON.parse(text as string) as Frame;
    const { type } = frame;
    const shape = shapes.get(type);
    if (!isText(type) || (shape && !has(shape)(frame))) throw 0;
  } catch {
    return say(Input.Garbled, []);
  }
  const room = table.find(frame["roomId"]);
  const ref = id(frame["ref"]);
  switch (frame["type"]) {
    case "message": {
      const [numbers, ids] = stamp(frame);
      return say(Input.Message, [table.keep(frame), room, ...numbers], ids);
    }
    case "user_joined":
      return say(Input.UserJoined, [room, table.pass(frame)]);
    case "user_left":
      return say(Input.UserLeft, [room, table.pass(frame)]);
    case "error": {
      // Without a code it is a plain one, which says nothing about a request.
      const why = code(frame["code"]);
      const request = why ? [why, room, truth(frame["retry"]), maybeCount(frame["retryAfterMs"])] : [];
      return say(Input.Error, [table.keep(frame), ...request], [ref]);
    }
    case "hello": {
      const limits = frame["limits"] as Frame;
      return say(Input.Hello, [
        count(frame["v"]),
        table.number(frame["userId"] as string),
        count(frame["serverTime"]),
        count(frame["heartbeatMs"]),
        count(frame["dedupeWindowMs"]),
        ...["frameBytes", "contentBytes", "rooms", "inFlight", "replay", "sendPerSec"].map((limit) => count(limits[limit])),
        count((frame["reconnect"] as Frame)["windowMs"]),
        maybeCount((frame["auth"] as Frame | undefined)?.["expiresInMs"]),
      ]);
    }
    case "joined":
      return say(
        Input.Joined,
        [
          room,
          count(frame["seq"]),
          count(frame["replay"]),
          truth(frame["recovered"]),
          isText(frame["reason"]) ? joinReasons.indexOf(frame["reason"] as never) + 1 || joinReasons.length : 0,
          table.pass(frame),
        ],
        [ref, id(frame["epoch"])],
      );
    case "left":
      return say(Input.Left, [room, code(frame["code"])], [ref]);
    case "ack":
      return say(Input.Ack, [room, count(frame["seq"]), truth(frame["dup"])], [ref, id(frame["id"]), id(frame["epoch"])]);
    case "nack":
      return say(
        Input.Nack,
        [code(frame["code"]), truth(frame["retry"]), maybeCount(frame["retryAfterMs"]), maybeCount(frame["expected"]), truth(frame["dup"])],
        [ref],
      );
    case "history": {
      for (const message of frame["messages"] as Frame[]) {
        const [numbers, ids] = stamp(message);
        say(Input.HistoryMessage, [table.keep(message), room, ...numbers], ids);
      }
      return say(Input.History, [room, truth(frame["complete"])], [ref, id(frame["epoch"])]);
    }
    case "presence":
      return say(Input.Members, [room, table.pass(frame)]);
    case "signal":
      return say(Input.SignalFrame, [room, table.pass(frame)]);
    case "pong":
      return say(Input.Pong, [count(frame["t"])]);
    case "auth_expiring":
      return say(Input.AuthExpiring, [count(frame["inMs"])]);
    case "auth_ok":
      return say(Input.AuthOk, [maybeCount(frame["expiresInMs"])], [ref]);
    case "going_away":
      return say(Input.GoingAway, [count(frame["windowMs"]), +reader.moved(frame["url"])]);
    case "notification": {
      const [numbers, ids] = stamp(frame);
      return say(Input.Notification, [table.keep(frame), ...numbers], ids);
    }
    default:
      return say(Input.UnknownFrame, []);
  }
}

/** What a client's frame is written with. */
export interface Writer {
  name(room: number): string;
  /** What the application gave to be sent: the fields of the frame that are its own. */
  given(value: number): object;
  token(): string | undefined;
}

/** The text of a frame that the machine wants sent: `undefined` for an output that is none. */
export function write(kind: Output, f: ArrayLike<number>, ids: string[], writer: Writer): string | undefined {
  const roomId = writer.name(f[2]!);
  const ref = ids[0] || undefined;
  let frame: object;
  switch (kind) {
    case Output.SendJoin:
      frame = {
        type: "join_room",
        ref,
        roomId,
        since: ids[2] ? { epoch: ids[1], seq: f[4], id: ids[2] } : undefined,
        history: f[3] ? f[3] - 1 : undefined,
      };
      break;
    case Output.SendLeave:
      frame = { type: "leave_room", ref, roomId };
      break;
    case Output.SendMessage:
      frame = {
        type: "send_message",
        ref,
        roomId,
        ...writer.given(f[3]!),
        epoch: ids[2] || undefined,
        pid: ids[1] || undefined,
        pseq: f[4] || undefined,
      };
      break;
    case Output.SendHistory:
      frame = { type: "history", ref, roomId, epoch: ids[1], after: f[3], limit: f[4] };
      break;
    case Output.SendPresence:
      frame = { type: "presence", roomId };
      break;
    case Output.SendSignal:
      frame = { type: "signal", roomId, ...writer.given(f[3]!) };
      break;
    case Output.SendPing:
      frame = { type: "ping", t: f[2] };
      break;
    case Output.SendAuth:
      frame = { type: "auth", ref, token: writer.token() };
      break;
    default:
      return undefined;
  }
  return JSON.stringify(frame);
}
