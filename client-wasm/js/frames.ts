import { codes, Input, joinReasons, Output } from "./names.js";
import type { Machine } from "./machine.js";

/** A frame as JSON gave it: nothing is certain about it. */
export type Frame = { readonly [field: string]: unknown };

/** What a frame is read with. */
export interface Reader {
  machine: Machine;
  /** The number of a name, for the machine; 0 for a room nobody here has asked for. */
  room(name: unknown): number;
  user(name: string): number;
  /** Keeps a frame until the machine lets go of it, and gives its number. */
  keep(frame: Frame): number;
  /** Keeps a frame until what the machine has to say about it has been said. */
  pass(frame: Frame): number;
  /** Where the server that goes away sends us: whether we follow. */
  moved(url: unknown): boolean;
}

const isText = (value: unknown): value is string => typeof value == "string";
const isId = (value: unknown): value is string => isText(value) && /^[\w-]{1,64}$/.test(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const id = (value: unknown): string => (isId(value) ? value : "");
const count = (value: unknown): number => (isCount(value) ? value : 0);
const maybe = (value: unknown): number => (isCount(value) ? value : -1);
const truth = (value: unknown): number => +(value === true);
const code = (value: unknown): number =>
  isText(value) ? codes.indexOf(value as never) + 1 || codes.length : 0;
const fields = (value: unknown): Frame => (value && typeof value == "object" ? (value as Frame) : {});

/** The text fields that a frame must have. */
const texts: { [type: string]: string[] | undefined } = /* @__PURE__ */ Object.assign(Object.create(null), {
  message: ["roomId", "userId", "content", "timestamp"],
  user_joined: ["roomId", "userId"],
  user_left: ["roomId", "userId"],
  error: ["message"],
  hello: ["userId"],
  joined: ["roomId", "ref", "epoch"],
  left: ["roomId"],
  ack: ["roomId", "ref", "id", "epoch"],
  nack: ["ref", "code"],
  history: ["roomId", "ref", "epoch"],
  presence: ["roomId"],
  signal: ["roomId", "userId", "kind"],
  notification: ["kind", "id", "epoch"],
  auth_ok: ["ref"],
});

/** Tells the machine what a text from the server says. */
export function read(conn: number, text: unknown, reader: Reader): void {
  const { machine } = reader;
  const say = (kind: Input, more: number[], ids?: string[]) => machine.input(kind, [conn, ...more], ids);
  let frame: Frame;
  try {
    frame = JSON.parse(text as string) as Frame;
    const type = frame["type"] as string;
    if (!isText(type) || texts[type]?.some((field) => !isText(frame[field]))) throw 0;
  } catch {
    return say(Input.Garbled, []);
  }
  const room = reader.room(frame["roomId"]);
  const stamped = (frame: Frame) => [count(frame["seq"]), truth(frame["replay"]), count(frame["pseq"])];
  const stamps = (frame: Frame) => [id(frame["id"]), id(frame["epoch"]), id(frame["pid"])];
  const ref = id(frame["ref"]);
  switch (frame["type"]) {
    case "message":
      return say(Input.Message, [reader.keep(frame), room, ...stamped(frame)], stamps(frame));
    case "user_joined":
      return say(Input.UserJoined, [room, reader.pass(frame)]);
    case "user_left":
      return say(Input.UserLeft, [room, reader.pass(frame)]);
    case "error":
      return say(
        Input.Error,
        [reader.keep(frame), code(frame["code"]), room, truth(frame["retry"]), maybe(frame["retryAfterMs"])],
        [ref],
      );
    case "hello": {
      const limits = fields(frame["limits"]);
      return say(Input.Hello, [
        count(frame["v"]),
        reader.user(frame["userId"] as string),
        count(frame["serverTime"]),
        count(frame["heartbeatMs"]),
        count(frame["dedupeWindowMs"]),
        ...["frameBytes", "contentBytes", "rooms", "inFlight", "replay", "sendPerSec"].map((limit) => count(limits[limit])),
        count(fields(frame["reconnect"])["windowMs"]),
        maybe(fields(frame["auth"])["expiresInMs"]),
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
          reader.pass(frame),
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
        [code(frame["code"]), truth(frame["retry"]), maybe(frame["retryAfterMs"]), maybe(frame["expected"]), truth(frame["dup"])],
        [ref],
      );
    case "history": {
      const messages = Array.isArray(frame["messages"]) ? frame["messages"].map(fields) : [];
      if (messages.some((message) => texts["message"]!.some((field) => !isText(message[field])))) {
        return say(Input.Garbled, []);
      }
      for (const message of messages) {
        say(Input.HistoryMessage, [reader.keep(message), room, ...stamped(message)], stamps(message));
      }
      return say(Input.History, [room, truth(frame["complete"])], [ref, id(frame["epoch"])]);
    }
    case "presence":
      return say(Input.Members, [room, reader.pass(frame)]);
    case "signal":
      return say(Input.SignalFrame, [room, reader.pass(frame)]);
    case "pong":
      return say(Input.Pong, [count(frame["t"])]);
    case "auth_expiring":
      return say(Input.AuthExpiring, [count(frame["inMs"])]);
    case "auth_ok":
      return say(Input.AuthOk, [maybe(frame["expiresInMs"])], [ref]);
    case "going_away":
      return say(Input.GoingAway, [count(frame["windowMs"]), +reader.moved(frame["url"])]);
    case "notification":
      return say(Input.Notification, [reader.keep(frame), ...stamped(frame)], stamps(frame));
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
        roomId,
        ref,
        since: ids[2] ? { epoch: ids[1], seq: f[4], id: ids[2] } : undefined,
        history: f[3] ? f[3] - 1 : undefined,
      };
      break;
    case Output.SendLeave:
      frame = { type: "leave_room", roomId, ref };
      break;
    case Output.SendMessage:
      frame = {
        type: "send_message",
        roomId,
        ...writer.given(f[3]!),
        ref,
        pid: ids[1] || undefined,
        pseq: f[4] || undefined,
        epoch: ids[2] || undefined,
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
