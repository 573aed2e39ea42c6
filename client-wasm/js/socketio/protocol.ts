// Socket.IO 5 over Engine.IO 4 for a client in one namespace.
import { isCount, type Frame } from "../protocol/validate.js";
import type { Machine } from "../wasm/machine.js";
import { Input, Output } from "../wasm/codes.js";
import type { ClientInternals, Protocol } from "../protocol/protocol.js";
import type { HandleTable } from "../wasm/handle_table.js";
import { decode, type NamedEvent } from "../protocol/event_decoder.js";
import { parseAck, bounded, isObject } from "./ack_result.js";
import type { EventNames } from "./event_names.js";
import { parseEvent, trailingOffset } from "./parse_event.js";
import { PacketIn, PacketOut, socketIoCauseCodes } from "./codes.js";
import { OutOfSync, Packets, type Packet } from "./packet.js";
import type { Events } from "./types.js";

/** An input of the machine: kind, fields, texts. */
export type MachineInput = [kind: PacketIn | Input, fields: number[], texts?: string[]];

/** The reference server's message for an unknown namespace. */
const NO_NAMESPACE = "Invalid namespace";
/** Most characters of a refusal's message, and of a session id. */
const MAX_CAUSE_TEXT = 256;
const MAX_PID = 128;
/** Session numbers wrap here; consecutive ones differ. */
const MAX_SESSIONS = 30_000;
/** The stream of notifications among the rooms. */
const PERSONAL = 0xffff_ffff;
/** First number of the causes that only this machine has. */
const FIRST = 101;

/** Packets of Socket.IO 5 over Engine.IO 4, of one client in one namespace. */
export class SocketIoProtocol implements Protocol {
  /** Receives the inputs that packets become. */
  protected machine: Pick<Machine, "input"> | undefined;
  #conn = 0;
  #packets = new Packets();
  /** Id of the recoverable session, and its number. */
  #pid = "";
  #session = 0;
  /** Text for the next cause, and the data of the server's error. */
  #causeText = "";
  #data: unknown;
  /** The answer to the join of this room, whose outcome is the next output. */
  #joinAnswer: [room: number, answer: unknown] | undefined;
  /** A connection has been open: the address is right. */
  #hasConnected = false;

  constructor(
    readonly namespace: string,
    readonly names: EventNames,
    /** Treat an ack that is a plain string as a refusal. */
    readonly textIsError = false,
    /** Hint for an address at which no WebSocket opens. */
    readonly urlHint = "",
  ) {}

  /** Handles a packet of another namespace; returns whether it was accepted. */
  otherNamespace = (_conn: number, _packet: Packet): boolean => false;

  read(...[conn, data, { machine, handles }]: Parameters<Protocol["read"]>): void {
    if (conn != this.#conn) {
      this.#conn = conn;
      this.#packets = new Packets();
    }
    this.machine = machine;
    let input: MachineInput | undefined;
    try {
      input = this.#input(data as unknown, handles as HandleTable);
    } catch (error) {
      input = [error instanceof OutOfSync ? PacketIn.OutOfSync : Input.Malformed, []];
    }
    if (!input) return;
    const [kind, fields, texts] = input;
    machine.input(kind as Input, [conn, ...fields], texts);
  }

  /** A packet of this namespace that arrived on another client's connection. Without handles only control packets count. */
  receive(conn: number, packet: Packet, machine: Pick<Machine, "input">, handles: HandleTable | undefined): void {
    this.machine = machine;
    const [kind, fields, texts] = handles || packet.type < 2 || packet.type == 4 ? this.#decodePacket(packet, handles!) : ([PacketIn.Other, []] as MachineInput);
    machine.input(kind as Input, [conn, ...fields], texts);
  }

  #input(data: unknown, handles: HandleTable): MachineInput | undefined {
    if (typeof data != "string") return this.#route(this.#packets.binary(data as ArrayBuffer), handles);
    const rest = data.slice(1);
    switch (data[0]) {
      case "0": {
        const { pingInterval, pingTimeout, maxPayload } = JSON.parse(rest);
        if (!isCount(pingInterval) || !isCount(pingTimeout)) throw new Error("an engine without its times");
        return [PacketIn.Open, [pingInterval, pingTimeout, isCount(maxPayload) ? maxPayload : -1]];
      }
      case "1":
        return [PacketIn.Close, []];
      case "2":
        return [PacketIn.Ping, []];
      case "4":
        return this.#route(this.#packets.text(rest), handles);
      case "3":
      case "5":
      case "6":
        return [PacketIn.Other, []];
      default:
        throw new Error("no packet of the engine's");
    }
  }

  #route(packet: Packet | undefined, handles: HandleTable): MachineInput | undefined {
    if (!packet) return [PacketIn.Partial, []];
    if (packet.namespace == this.namespace) return this.#decodePacket(packet, handles);
    return this.otherNamespace(this.#conn, packet) ? undefined : [PacketIn.Other, []];
  }

  #decodePacket(packet: Packet, handles: HandleTable): MachineInput {
    switch (packet.type) {
      case 0:
        return this.#connected(packet.payload);
      case 1:
        this.#causeText = "the server disconnected this client";
        return [PacketIn.Disconnected, []];
      case 4:
        return this.#refused(packet);
      default: {
        const { payload } = packet;
        if (!Array.isArray(payload)) throw new Error("arguments that are no list");
        return packet.type % 3 ? this.event(packet, payload, handles) : this.ack(packet, payload, handles);
      }
    }
  }

  #connected(payload: unknown): MachineInput {
    const { sid, pid } = isObject(payload) ? payload : {};
    const hasSid = typeof sid == "string";
    if (!hasSid) this.#causeText = "the server speaks Socket.IO 2 or older: this client needs version 3 or later";
    if (typeof pid != "string" || pid.length > MAX_PID) return [PacketIn.Connected, [+hasSid, 0]];
    if (pid != this.#pid) this.#session = (this.#session % MAX_SESSIONS) + 1;
    this.#pid = pid;
    return [PacketIn.Connected, [+hasSid, this.#session]];
  }

  /** The message: an object's `message`, a plain string, or the JSON itself. */
  #refused({ payload, json }: Packet): MachineInput {
    const message = isObject(payload) ? payload["message"] : payload;
    this.#data = isObject(payload) && payload["data"] != undefined ? bounded(payload["data"]) : undefined;
    const words = typeof message == "string" ? message : json;
    const isUnknown = words == NO_NAMESPACE;
    this.#causeText = isUnknown ? "the server has no such namespace" : [...words].slice(0, MAX_CAUSE_TEXT).join("");
    return [PacketIn.Refused, [+isUnknown]];
  }

  protected event({ ack, size }: Packet, given: readonly unknown[], handles: HandleTable): MachineInput {
    const { kind, value: kept, detail: what = 0, withoutOffset: before } = parseEvent(this.names, given);
    const [last, text] = trailingOffset(given);
    const fields = [ack ?? -1, last];
    if (kept) fields.push(handles.add(kept), size, typeof what == "string" ? handles.find(what) : what);
    if (before) fields.push(handles.add(before));
    return [kind, fields, [text]];
  }

  protected ack({ ack }: Packet, given: readonly unknown[], handles: HandleTable): MachineInput {
    if (ack == undefined) return [PacketIn.Other, []];
    const result = parseAck(given, this.textIsError);
    const kept = (frame: Frame | undefined) => (frame ? handles.add(frame) : 0);
    // The message of a refusal belongs to the refused request.
    if (!result.done && result.message != undefined) handles.refusal = { message: result.message };
    const all = kept("answer" in result ? { answer: result.answer, ...handles.refusal } : undefined);
    if (!result.done) return [PacketIn.Nack, [ack, result.code, all, +result.retry, result.retryAfterMs]];
    return [PacketIn.Ack, [ack, result.seq, kept(result.members && { members: result.members }), all], [result.id]];
  }

  write(...[kind, fields, ids, { name, payload: given, token }]: Parameters<Protocol["write"]>): string | undefined {
    const [, , a, b, c] = Array.from(fields) as [number, number, number, number, number];
    const emit = (event: Parameters<EventNames["wireName"]>[0], more?: object) =>
      this.packet(2, JSON.stringify([this.names.wireName(event), { roomId: name(b), ...more }]), a);
    switch (kind as number) {
      case PacketOut.Pong:
        return "3";
      case PacketOut.Disconnect:
        return this.packet(1);
      case PacketOut.Connect: {
        // The credentials are the whole auth object as JSON.
        const auth = { ...(a && JSON.parse(token() ?? "{}")), ...(b && { pid: this.#pid, offset: ids[0] }) };
        return this.packet(0, Object.keys(auth).length ? JSON.stringify(auth) : "");
      }
      case PacketOut.Ack:
        return this.packet(3, "[]", a);
      case PacketOut.Join:
        return emit("join_room");
      case PacketOut.Leave:
        return emit("leave_room");
      case PacketOut.SendMessage:
        return emit("send_message", given(c));
      default:
        return undefined;
    }
  }

  /** The object `client.frames`. */
  frames?(internals: ClientInternals): unknown;

  protected packet(type: number | string, json = "", ack = -1): string {
    return `4${type}${this.namespace == "/" ? "" : `${this.namespace},`}${ack < 0 ? "" : ack}${json}`;
  }

  decode(...[kind, fields, handles, clock, ids, words]: Parameters<Protocol["decode"]>): NamedEvent | undefined {
    const [a, b, , d] = fields as [number, number, number, number];
    switch (kind as Output | PacketOut) {
      case PacketOut.JoinReply:
        this.#joinAnswer = [a, handles.frame(b)["answer"]];
        return undefined;
      // Socket.IO has only one mode.
      case Output.Mode:
        return undefined;
      case Output.Ready:
        return named("ready", "socketio");
      case Output.Message: {
        const { roomId: room, userId: user, content, timestamp, data } = handles.frame(a) as { [field: string]: any };
        return named("message", { room, user, content, ...(timestamp && { timestamp }), ...(data !== undefined && { data }) });
      }
      case Output.Room: {
        const event = decode(kind, fields, handles, clock, ids, words)!;
        if ((event[1] as Events["room"]).state != "joined") this.#joinAnswer = undefined;
        return event;
      }
      case Output.Gap:
      case Output.Joined: {
        const event = decode(kind, fields, handles, clock, ids, words)!;
        if (kind == Output.Joined) {
          const [room, answer] = this.#joinAnswer ?? [];
          if (room == a) (event[1] as Events["joined"]).answer = answer;
          this.#joinAnswer = undefined;
        }
        if (a == PERSONAL) (event[1] as Events["gap"]).room = "@me";
        return event;
      }
      case Output.Notification: {
        // The last argument may have been a recovery offset.
        const { kind } = handles.frame(a) as { kind: string };
        return named("notification", { kind, ...(b && { data: handles.frame(b)["data"] }) });
      }
      case Output.State: {
        const [own, data] = [this.#causeText, this.#data];
        if (d) [this.#causeText, this.#data] = ["", undefined];
        const event = decode(kind, fields, handles, clock, ids, () => words() || own)!;
        const { state, cause } = event[1] as Events["state"];
        this.#hasConnected ||= state == "connected";
        // A browser does not tell a script why a WebSocket did not open.
        if (cause?.code == "unreachable" && !this.#hasConnected) cause.text ??= this.urlHint;
        if (d >= FIRST) cause!.code = socketIoCauseCodes[d - FIRST]!;
        if (cause && data !== undefined) cause.data = data;
        return event;
      }
      default:
        return decode(kind, fields, handles, clock, ids, words);
    }
  }
}

/** An event of this client: the base client forwards it unchanged. */
const named = <K extends keyof Events>(name: K, event: Events[K]): NamedEvent => [name, event] as unknown as NamedEvent;
