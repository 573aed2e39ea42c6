import { isCount, isId, isText, numberOf, position, refusalOf, repaired, textOf, type Frame } from "./fields.js";
import { codes, Input, joinReasons, Output } from "./names.js";
import type { Machine } from "./machine.js";
import type { Table } from "./table.js";

/** What a frame is read with. */
export interface Reader {
  machine: Pick<Machine, "input">;
  table: Pick<Table, "find" | "number" | "keep" | "pass" | "refusal">;
  /** Where the server that goes away sends us: whether we follow. */
  moved(url: unknown): boolean;
}

/** What a field must be, by its letter. A capital: or absent. `a`: with the object that it is in, or without it. */
const checks: { [letter: string]: (value: unknown, within: unknown) => boolean } = {
  t: isText,
  i: isId,
  n: isCount,
  b: (value) => typeof value == "boolean",
  l: (value) => Array.isArray(value) && value.every(isText),
  h: (value) => Array.isArray(value) && value.every((frame) => frame && fits(frame as Frame, message)),
  a: (value, within) => within == undefined || isCount(value),
};
checks["r"] = checks["u"] = checks["c"] = checks["j"] = checks["w"] = checks["t"]!;
checks["m"] = checks["o"] = checks["n"]!;

/** Where it is in the frame, its letter, and whether it may be absent. */
type Field = [path: string[], letter: string, optional: boolean];

/** `seq:n`: a field and its letter. `:f`: what the page keeps of the frame. `w`: the words of a refusal. */
const fields = (list: string): Field[] =>
  list.split(" ").map((field) => {
    const [path, letter] = field.split(":") as [string, string];
    const small = letter.toLowerCase();
    return [path.split("."), small, small != letter];
  });

/** Fields that only say more about a message are looked at one by one. */
const message = fields("roomId:t userId:t content:t timestamp:t");

/** A frame by its type: what it is to the machine, and its fields in the order of the machine's. */
const frames = /* @__PURE__ */ new Map<unknown, [kind: Input, fields: Field[]]>([
  ["message", [Input.Message, message]],
  ["user_joined", [Input.UserJoined, fields("roomId:r userId:t :f")]],
  ["user_left", [Input.UserLeft, fields("roomId:r userId:t :f")]],
  ["error", [Input.Error, fields("message:w")]],
  [
    "hello",
    [
      Input.Hello,
      fields(
        "v:n userId:u serverTime:N heartbeatMs:n dedupeWindowMs:n limits.frameBytes:n limits.contentBytes:n limits.rooms:n limits.inFlight:n limits.replay:n limits.sendPerSec:N reconnect.windowMs:n auth.expiresInMs:a",
      ),
    ],
  ],
  ["joined", [Input.Joined, fields("ref:i roomId:r epoch:i seq:n replay:n recovered:b reason:J members:L memberCount:O :f")]],
  ["left", [Input.Left, fields("ref:I roomId:r code:C")]],
  ["ack", [Input.Ack, fields("ref:i roomId:r id:i epoch:i seq:n timestamp:T dup:B")]],
  ["nack", [Input.Nack, fields("ref:I code:c retry:B retryAfterMs:M expected:M dup:B message:W")]],
  ["history", [Input.History, fields("ref:i roomId:r epoch:i complete:b messages:h")]],
  ["presence", [Input.Members, fields("roomId:r members:L memberCount:O :f")]],
  ["signal", [Input.SignalFrame, fields("roomId:r userId:t kind:t :f")]],
  ["notification", [Input.Notification, fields(":k seq:n replay:B id:i epoch:i kind:t")]],
  ["pong", [Input.Pong, fields("t:n")]],
  ["auth_expiring", [Input.AuthExpiring, fields("inMs:n")]],
  ["auth_ok", [Input.AuthOk, fields("ref:i expiresInMs:M")]],
  ["going_away", [Input.GoingAway, fields("windowMs:n url:T")]],
]);

/** Whether the protocol's server says frames of this type. */
export const isServers = (type: unknown): boolean => frames.has(type);

const at = (frame: Frame, path: string[]): any => path.reduce<any>((value, name) => value?.[name], frame);

const fits = (frame: Frame, fields: Field[]): boolean =>
  fields.every(([path, letter, optional]) => {
    const value = at(frame, path);
    return (optional && value == undefined) || (checks[letter]?.(value, frame[path[0]!]) ?? true);
  });

/** Tells the machine what a text from the server says. */
export function read(conn: number, text: unknown, reader: Reader): void {
  let frame: Frame;
  try {
    frame = JSON.parse(repaired(textOf(text))) as Frame;
  } catch {
    return reader.machine.input(Input.Garbled, [conn]);
  }
  said(conn, frame, reader);
}

/** The same for a frame that is read already. */
export function said(conn: number, frame: Frame, { machine, table, moved }: Reader): void {
  // Any JSON: `null` has no type either.
  const type = frame?.["type"];
  const [kind, list] = frames.get(type) ?? [Input.UnknownFrame, []];
  if (!isText(type) || !fits(frame, list)) return machine.input(Input.Garbled, [conn]);
  const room = table.find(frame["roomId"]);
  /** Of a message: value, room, seq, replay, pseq and id, epoch, pid, if it has a place. */
  const say = (kind: Input, message: Frame) => {
    const numbers = [conn, table.keep(message), room];
    const ids: string[] = [];
    const place = position(message);
    if (place) {
      const { pid, pseq } = message;
      const own = isId(pid) && isCount(pseq);
      numbers.push(place.seq, +(message["replay"] === true), own ? pseq : 0);
      ids.push(place.id, place.epoch, own ? pid : "");
    }
    machine.input(kind, numbers, ids);
  };
  if (kind == Input.Message) return say(kind, frame);
  const numbers: number[] = [conn];
  const ids: string[] = [];
  for (const [path, letter] of list) {
    const value = at(frame, path);
    if (letter == "i") ids.push(value ?? "");
    else if (letter == "n") numbers.push(value ?? 0);
    else if (letter == "m" || letter == "a") numbers.push(value ?? -1);
    else if (letter == "b") numbers.push(+(value == true));
    else if (letter == "c") numbers.push(numberOf(codes, value));
    else if (letter == "j") numbers.push(numberOf(joinReasons, value));
    else if (letter == "r") numbers.push(table.find(value));
    else if (letter == "u") numbers.push(table.number(value));
    else if (letter == "f") numbers.push(table.pass(frame));
    else if (letter == "k") numbers.push(table.keep(frame));
    else if (letter == "w") numbers.push(table.keep((table.refusal = refusalOf(frame))));
  }
  if (kind == Input.History) (frame["messages"] as Frame[]).forEach((message) => say(Input.HistoryMessage, message));
  if (kind == Input.Left) {
    // It has no words.
    const { serverCode } = refusalOf(frame);
    if (serverCode) table.refusal = { serverCode };
  }
  if (kind == Input.GoingAway) numbers.push(+moved(frame["url"]));
  if (kind == Input.Error && isText(frame["code"])) {
    // Without a code it is a plain one, which says nothing about a request.
    const { code, ref, retry, retryAfterMs } = frame;
    numbers.push(numberOf(codes, code), room, +(retry === true), isCount(retryAfterMs) ? retryAfterMs : -1);
    if (isId(ref)) ids.push(ref);
  }
  machine.input(kind, numbers, ids);
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
