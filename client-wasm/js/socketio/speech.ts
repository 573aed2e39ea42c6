import { isCount, type Frame } from "../fields.js";
import type { Machine } from "../machine.js";
import { Input, Output } from "../names.js";
import type { Inside, Speech } from "../speech.js";
import type { Table } from "../table.js";
import { told, type Told } from "../told.js";
import { answer, bounded, isObject } from "./answer.js";
import type { EventNames } from "./events.js";
import { heard, trailing } from "./heard.js";
import { Said, Sent, socketIoCauseCodes } from "./names.js";
import { OutOfStep, Packets, type Packet } from "./packet.js";
import type { Events } from "./types.js";

/** What the machine is told: as an input, its fields and its texts. */
export type MachineInput = [kind: Said | Input, fields: number[], texts?: string[]];

/** What the reference server says to a namespace it does not have. */
const NO_NAMESPACE = "Invalid namespace";
/** Most characters of a refusal, and of a session's name. */
const LONGEST_WORDS = 256;
const LONGEST_PID = 128;
/** Numbers of sessions: each is another one than the last. */
const MOST_SESSIONS = 30_000;
/** The stream of notifications among the rooms. */
const PERSONAL = 0xffff_ffff;
/** Causes of this machine are numbered from here. */
const FIRST = 101;

/** Packets of Socket.IO 5 over Engine.IO 4, of one client in one namespace. */
export class SocketIoSpeech implements Speech {
  /** Whom packets are told. */
  protected machine: Pick<Machine, "input"> | undefined;
  #conn = 0;
  #packets = new Packets();
  /** The name of the session that may be recovered, and its number. */
  #pid = "";
  #session = 0;
  /** Words for the next cause, and the data of the error that it is. */
  #words = "";
  #data: unknown;
  /** What the server's handler has answered to the join of this room, of which the outcome comes next. */
  #reply: [room: number, answer: unknown] | undefined;
  /** There has been a connection: the address is right. */
  #worked = false;

  constructor(
    readonly namespace: string,
    readonly names: EventNames,
    /** An ack that is nothing but a text is a refusal. */
    readonly textIsError = false,
    /** What may be wrong with the address. */
    readonly hint = "",
  ) {}

  /** A packet of another namespace; whether somebody has taken it. */
  elsewhere = (_conn: number, _packet: Packet): boolean => false;

  read(...[conn, data, { machine, table }]: Parameters<Speech["read"]>): void {
    if (conn != this.#conn) {
      this.#conn = conn;
      this.#packets = new Packets();
    }
    this.machine = machine;
    let input: MachineInput | undefined;
    try {
      input = this.#input(data as unknown, table as Table);
    } catch (error) {
      input = [error instanceof OutOfStep ? Said.OutOfStep : Input.Garbled, []];
    }
    if (!input) return;
    const [kind, fields, texts] = input;
    machine.input(kind as Input, [conn, ...fields], texts);
  }

  /** A packet of this namespace on another's connection. Without a table nobody wants to know of it, but for an answer. */
  take(conn: number, packet: Packet, machine: Pick<Machine, "input">, table: Table | undefined): void {
    this.machine = machine;
    const [kind, fields, texts] = table || packet.type < 2 || packet.type == 4 ? this.#meant(packet, table!) : ([Said.Other, []] as MachineInput);
    machine.input(kind as Input, [conn, ...fields], texts);
  }

  #input(data: unknown, table: Table): MachineInput | undefined {
    if (typeof data != "string") return this.#said(this.#packets.binary(data as ArrayBuffer), table);
    const rest = data.slice(1);
    switch (data[0]) {
      case "0": {
        const { pingInterval, pingTimeout, maxPayload } = JSON.parse(rest);
        if (!isCount(pingInterval) || !isCount(pingTimeout)) throw new Error("an engine without its times");
        return [Said.Open, [pingInterval, pingTimeout, isCount(maxPayload) ? maxPayload : -1]];
      }
      case "1":
        return [Said.Close, []];
      case "2":
        return [Said.Ping, []];
      case "4":
        return this.#said(this.#packets.text(rest), table);
      case "3":
      case "5":
      case "6":
        return [Said.Other, []];
      default:
        throw new Error("no packet of the engine's");
    }
  }

  #said(packet: Packet | undefined, table: Table): MachineInput | undefined {
    if (!packet) return [Said.Heard, []];
    if (packet.namespace == this.namespace) return this.#meant(packet, table);
    return this.elsewhere(this.#conn, packet) ? undefined : [Said.Other, []];
  }

  #meant(packet: Packet, table: Table): MachineInput {
    switch (packet.type) {
      case 0:
        return this.#connected(packet.payload);
      case 1:
        this.#words = "the server disconnected this client";
        return [Said.Disconnected, []];
      case 4:
        return this.#refused(packet);
      default: {
        const { payload } = packet;
        if (!Array.isArray(payload)) throw new Error("arguments that are no list");
        return packet.type % 3 ? this.event(packet, payload, table) : this.ack(packet, payload, table);
      }
    }
  }

  #connected(payload: unknown): MachineInput {
    const { sid, pid } = isObject(payload) ? payload : {};
    const hasSid = typeof sid == "string";
    if (!hasSid) this.#words = "the server speaks Socket.IO 2 or older: this client needs version 3 or later";
    if (typeof pid != "string" || pid.length > LONGEST_PID) return [Said.Connected, [+hasSid, 0]];
    if (pid != this.#pid) this.#session = (this.#session % MOST_SESSIONS) + 1;
    this.#pid = pid;
    return [Said.Connected, [+hasSid, this.#session]];
  }

  /** In the words of an object's `message`, of a bare text, or of the JSON itself. */
  #refused({ payload, json }: Packet): MachineInput {
    const said = isObject(payload) ? payload["message"] : payload;
    this.#data = isObject(payload) && payload["data"] != undefined ? bounded(payload["data"]) : undefined;
    const words = typeof said == "string" ? said : json;
    const isUnknown = words == NO_NAMESPACE;
    this.#words = isUnknown ? "the server has no such namespace" : [...words].slice(0, LONGEST_WORDS).join("");
    return [Said.Refused, [+isUnknown]];
  }

  protected event({ ack, size }: Packet, given: readonly unknown[], table: Table): MachineInput {
    const { kind, kept, with: what = 0, before } = heard(this.names, given);
    const [last, text] = trailing(given);
    const fields = [ack ?? -1, last];
    if (kept) fields.push(table.keep(kept), size, typeof what == "string" ? table.find(what) : what);
    if (before) fields.push(table.keep(before));
    return [kind, fields, [text]];
  }

  protected ack({ ack }: Packet, given: readonly unknown[], table: Table): MachineInput {
    if (ack == undefined) return [Said.Other, []];
    const said = answer(given, this.textIsError);
    const kept = (frame: Frame | undefined) => (frame ? table.keep(frame) : 0);
    // The words of a refusal belong to what it refuses.
    if (!said.done && said.message != undefined) table.refusal = { message: said.message };
    const all = kept("answer" in said ? { answer: said.answer, ...table.refusal } : undefined);
    if (!said.done) return [Said.Nack, [ack, said.code, all, +said.retry, said.retryAfterMs]];
    return [Said.Ack, [ack, said.seq, kept(said.members && { members: said.members }), all], [said.id]];
  }

  write(...[kind, fields, ids, { name, given, token }]: Parameters<Speech["write"]>): string | undefined {
    const [, , a, b, c] = Array.from(fields) as [number, number, number, number, number];
    const emit = (event: Parameters<EventNames["called"]>[0], more?: object) =>
      this.packet(2, JSON.stringify([this.names.called(event), { roomId: name(b), ...more }]), a);
    switch (kind as number) {
      case Sent.Pong:
        return "3";
      case Sent.Disconnect:
        return this.packet(1);
      case Sent.Connect: {
        // The credentials are the text of the whole object.
        const auth = { ...(a && JSON.parse(token() ?? "{}")), ...(b && { pid: this.#pid, offset: ids[0] }) };
        return this.packet(0, Object.keys(auth).length ? JSON.stringify(auth) : "");
      }
      case Sent.Ack:
        return this.packet(3, "[]", a);
      case Sent.Join:
        return emit("join_room");
      case Sent.Leave:
        return emit("leave_room");
      case Sent.Say:
        return emit("send_message", given(c));
      default:
        return undefined;
    }
  }

  /** What the client has as `frames`. */
  frames?(inside: Inside): unknown;

  protected packet(type: number | string, json = "", ack = -1): string {
    return `4${type}${this.namespace == "/" ? "" : `${this.namespace},`}${ack < 0 ? "" : ack}${json}`;
  }

  told(...[kind, fields, table, clock, ids, words]: Parameters<Speech["told"]>): Told | undefined {
    const [a, b, , d] = fields as [number, number, number, number];
    switch (kind as Output | Sent) {
      case Sent.JoinReply:
        this.#reply = [a, table.frame(b)["answer"]];
        return undefined;
      // There is only one.
      case Output.Mode:
        return undefined;
      case Output.Ready:
        return tell("ready", "socketio");
      case Output.Message: {
        const { roomId: room, userId: user, content, timestamp, data } = table.frame(a) as { [field: string]: any };
        return tell("message", { room, user, content, ...(timestamp && { timestamp }), ...(data !== undefined && { data }) });
      }
      case Output.Room: {
        const event = told(kind, fields, table, clock, ids, words)!;
        if ((event[1] as Events["room"]).state != "joined") this.#reply = undefined;
        return event;
      }
      case Output.Gap:
      case Output.Joined: {
        const event = told(kind, fields, table, clock, ids, words)!;
        if (kind == Output.Joined) {
          const [room, answer] = this.#reply ?? [];
          if (room == a) (event[1] as Events["joined"]).answer = answer;
          this.#reply = undefined;
        }
        if (a == PERSONAL) (event[1] as Events["gap"]).room = "@me";
        return event;
      }
      case Output.Notification: {
        // The last of its arguments may have been the place to recover from.
        const { kind } = table.frame(a) as { kind: string };
        return tell("notification", { kind, ...(b && { data: table.frame(b)["data"] }) });
      }
      case Output.State: {
        const [own, data] = [this.#words, this.#data];
        if (d) [this.#words, this.#data] = ["", undefined];
        const event = told(kind, fields, table, clock, ids, () => words() || own)!;
        const { state, cause } = event[1] as Events["state"];
        this.#worked ||= state == "connected";
        // A script is not told why a WebSocket did not open.
        if (cause?.code == "unreachable" && !this.#worked) cause.text ??= this.hint;
        if (d >= FIRST) cause!.code = socketIoCauseCodes[d - FIRST]!;
        if (cause && data !== undefined) cause.data = data;
        return event;
      }
      default:
        return told(kind, fields, table, clock, ids, words);
    }
  }
}

/** An event of these: the client passes on what it does not look at. */
const tell = <K extends keyof Events>(name: K, event: Events[K]): Told => [name, event] as unknown as Told;
