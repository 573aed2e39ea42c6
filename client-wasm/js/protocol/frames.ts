// Reads the server's frames into machine inputs and writes the machine's outputs as frames.
import { isCount, isId, isText, isUser, codeNumber, positionOf, refusalOf, wellFormedJson, decodeText, type Frame } from "./validate.js";
import { isTimestamp } from "./timestamp.js";
import { codes, Input, joinReasons, Output } from "../wasm/codes.js";
import type { Machine } from "../wasm/machine.js";
import type { HandleTable } from "../wasm/handle_table.js";

/** What reading a frame needs. */
export interface ReadContext {
  machine: Pick<Machine, "input">;
  handles: Pick<HandleTable, "find" | "number" | "add" | "hold" | "refusal">;
  /** The redirect of `going_away`; returns whether it is followed. */
  redirect(url: unknown): boolean;
}

// A server may write the largest number that it has where it has no limit.
const isLarge = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 64;

/** Checks by letter, a text if there is none. A capital letter: optional. `a`: required only if its object is present. */
const fieldChecks: { [letter: string]: (value: unknown, within: unknown) => boolean } = {
  i: isId,
  n: isCount,
  p: isLarge,
  b: (value) => typeof value == "boolean",
  l: (value) => Array.isArray(value) && value.every(isText),
  h: (value) => Array.isArray(value) && value.every((frame) => frame && !misfit(frame as Frame, message)),
  s: isTimestamp,
  // Servers of others have numbers for users and rooms.
  d: isUser,
  a: (value, within) => within == undefined || isLarge(value),
};
fieldChecks["f"] = fieldChecks["k"] = () => true;
fieldChecks["q"] = isUser;
fieldChecks["m"] = fieldChecks["o"] = fieldChecks["p"]!;

/** Path in the frame, check letter, and whether it is optional. */
type Field = [path: string[], letter: string, optional: boolean];

/** `seq:n`: a field and its check letter. `:f`: keep the frame. `w`: the message of a refusal. */
const fields = (list: string): Field[] =>
  list.split(" ").map((field) => {
    const [path, letter] = field.split(":") as [string, string];
    const small = letter.toLowerCase();
    return [path.split("."), small, small != letter];
  });

/** Optional fields of a message are checked one by one. */
const message = fields("roomId:d userId:d content:t timestamp:s");

/** Frames by type: the machine's input and its fields in the machine's order. */
const frames = /* @__PURE__ */ new Map<unknown, [kind: Input, fields: Field[]]>([
  ["message", [Input.Message, message]],
  ["user_joined", [Input.UserJoined, fields("roomId:q userId:d :f")]],
  ["user_left", [Input.UserLeft, fields("roomId:q userId:d :f")]],
  ["error", [Input.Error, fields("message:w")]],
  [
    "hello",
    [
      Input.Hello,
      fields(
        "v:p userId:u serverTime:P heartbeatMs:p dedupeWindowMs:p limits.frameBytes:p limits.contentBytes:p limits.rooms:p limits.inFlight:p limits.replay:p limits.sendPerSec:P reconnect.windowMs:p auth.expiresInMs:a",
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
  ["pong", [Input.Pong, fields("t:p")]],
  ["auth_expiring", [Input.AuthExpiring, fields("inMs:n")]],
  ["auth_ok", [Input.AuthOk, fields("ref:i expiresInMs:M")]],
  ["going_away", [Input.GoingAway, fields("windowMs:p url:T")]],
]);

/** Whether the protocol's server sends frames of this type. */
export const isServerFrame = (type: unknown): boolean => frames.has(type);

const valueAt = (frame: Frame, path: string[]): any => path.reduce<any>((value, name) => value?.[name], frame);

/** The first field that is not as it has to be. */
const misfit = (frame: Frame, fields: Field[]): Field | undefined =>
  fields.find(([path, letter, optional]) => {
    const value = valueAt(frame, path);
    return !(optional && value == undefined) && !(fieldChecks[letter] ?? isText)(value, frame[path[0]!]);
  });

/** Parses a text from the server and feeds it to the machine. */
export function read(conn: number, text: unknown, reader: ReadContext): void {
  let frame: Frame;
  try {
    frame = JSON.parse(wellFormedJson(decodeText(text).trim())) as Frame;
  } catch {
    return reader.machine.input(Input.Malformed, [conn]);
  }
  inputFrame(conn, frame, reader);
}

/** The same for a frame that is parsed already. */
export function inputFrame(conn: number, frame: Frame, { machine, handles, redirect }: ReadContext): void {
  // The JSON may be anything, also null.
  const type = frame?.["type"];
  // Servers of others have the message of an error there.
  if (type == "error") frame = { ...frame, message: frame["message"] ?? [frame["error"], frame["reason"]].find(isText) };
  const [kind, list] = frames.get(type) ?? [Input.UnknownFrame, []];
  const path = isText(type) ? misfit(frame, list)?.[0] : [];
  if (path) {
    if (path[0]) handles.refusal = { message: `frame "${type}": ${path.join(".")} is missing or of another kind` };
    return machine.input(Input.Malformed, [conn]);
  }
  const room = handles.find(frame["roomId"]);
  /** Fields of a message: value, room, seq, replay, pseq; ids: id, epoch, pid, if it has a position. */
  const inputMessage = (kind: Input, message: Frame) => {
    const numbers = [conn, handles.add(message), room];
    const ids: string[] = [];
    const position = positionOf(message);
    if (position) {
      const { pid, pseq } = message;
      const isOurs = isId(pid) && isCount(pseq);
      numbers.push(position.seq, +(message["replay"] === true), isOurs ? pseq : 0);
      ids.push(position.id, position.epoch, isOurs ? pid : "");
    }
    machine.input(kind, numbers, ids);
  };
  if (kind == Input.Message) return inputMessage(kind, frame);
  const numbers: number[] = [conn];
  const ids: string[] = [];
  for (const [path, letter] of list) {
    const value = valueAt(frame, path);
    if (letter == "i") ids.push(value ?? "");
    else if (letter == "n" || letter == "p") numbers.push(value ?? 0);
    else if (letter == "m" || letter == "a") numbers.push(value ?? -1);
    else if (letter == "b") numbers.push(+(value == true));
    else if (letter == "c") numbers.push(codeNumber(codes, value));
    else if (letter == "j") numbers.push(codeNumber(joinReasons, value));
    else if (letter == "r" || letter == "q") numbers.push(room);
    else if (letter == "u") numbers.push(handles.number(value));
    else if (letter == "f") numbers.push(handles.hold(frame));
    else if (letter == "k") numbers.push(handles.add(frame));
    else if (letter == "w") numbers.push(handles.add((handles.refusal = refusalOf(frame))));
  }
  if (kind == Input.History) (frame["messages"] as Frame[]).forEach((message) => inputMessage(Input.HistoryMessage, message));
  if (kind == Input.Left) {
    // `left` has no message.
    const { serverCode } = refusalOf(frame);
    if (serverCode) handles.refusal = { serverCode };
  }
  if (kind == Input.GoingAway) numbers.push(+redirect(frame["url"]));
  if (kind == Input.Error && isText(frame["code"])) {
    // Without a code it is a plain server's error, which names no request.
    const { code, ref, retry, retryAfterMs } = frame;
    numbers.push(codeNumber(codes, code), room, +(retry === true), isCount(retryAfterMs) ? retryAfterMs : -1);
    if (isId(ref)) ids.push(ref);
  }
  machine.input(kind, numbers, ids);
}

/** What writing a frame needs. */
export interface WriteContext {
  name(room: number): string;
  /** The payload of a send: the frame's application fields. */
  payload(value: number): object;
  token(): string | undefined;
}

/** The text of an output that is a frame; undefined for other outputs. */
export function write(kind: Output, f: ArrayLike<number>, ids: string[], writer: WriteContext): string | undefined {
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
        ...writer.payload(f[3]!),
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
      frame = { type: "signal", roomId, ...writer.payload(f[3]!) };
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
