// The protocol rules of the fake server.
import { byteLength } from "../util/text.js";
import type { Connection } from "./connection.js";
import type { Logged } from "./log.js";
import { Room } from "./room.js";
import type { Limits } from "./limits.js";
import type { Refusal, Plan } from "./plan.js";
import type { ClientFrame, SendFrame } from "./validate.js";
import type { VirtualClock } from "./clock.js";
import { badRoomName } from "../client/options.js";

/** The room name by which a user joins the personal stream. */
const PERSONAL_ROOM = "@me";

type Join = ClientFrame & { type: "join_room" };

/** The rules of the protocol: how the server responds to each frame. */
export class Hub {
  readonly rooms = new Map<string, Room>();
  readonly connections = new Set<Connection>();
  #last = 0;

  constructor(
    readonly clock: VirtualClock,
    readonly limits: Limits,
    readonly plan: Plan,
    /** Makes ids unique among the servers of one test. */
    readonly name: string,
    readonly userOf: (token: string) => string | null,
    readonly close: (connection: Connection, code: number, reason: string) => void,
  ) {}

  room(name: string): Room {
    let room = this.rooms.get(name);
    if (!room) this.rooms.set(name, (room = new Room(name, this.#id("e"), this.limits.dedupeWindowMs, this.clock)));
    return room;
  }

  connect(connection: Connection): void {
    this.connections.add(connection);
    if (!connection.extended) return;
    const { heartbeatMs, dedupeWindowMs, windowMs, history: _, ...limits } = this.limits;
    connection.send({
      type: "hello",
      v: 1,
      userId: connection.user,
      serverTime: this.clock.Date.now(),
      heartbeatMs,
      dedupeWindowMs,
      limits,
      reconnect: { windowMs },
    });
  }

  /** Removes a connection; its user may come back. */
  forget(connection: Connection, clean: boolean): void {
    if (!this.connections.delete(connection)) return;
    this.clock.clearTimeout(connection.tokenEnd);
    for (const room of connection.rooms) this.rooms.get(room)?.leave(connection.user, clean, connection);
  }

  receive(connection: Connection, frame: ClientFrame): void {
    switch (frame.type) {
      case "join_room":
        return this.#join(connection, frame);
      case "leave_room":
        if (connection.rooms.delete(storedName(connection.user, frame.roomId))) {
          this.room(storedName(connection.user, frame.roomId)).leave(connection.user, true, connection);
        }
        if (connection.extended && frame.ref) connection.send({ type: "left", ref: frame.ref, roomId: frame.roomId });
        return;
      case "send_message":
        return this.#send(connection, frame);
      case "history": {
        const { ref, roomId, epoch, after, limit } = frame;
        if (!connection.rooms.has(roomId)) return this.#notJoined(connection, roomId, ref);
        const { log } = this.room(roomId);
        const held = epoch == log.epoch ? log.after(after).slice(0, Math.min(limit, this.limits.replay)) : [];
        const messages = held.map((entry) => this.#message(connection, roomId, entry, true));
        return connection.send({ type: "history", ref, roomId, epoch: log.epoch, messages, complete: epoch == log.epoch && log.reaches(after) });
      }
      case "presence":
        if (!connection.rooms.has(frame.roomId)) return this.#notJoined(connection, frame.roomId);
        return connection.send({ type: "presence", roomId: frame.roomId, members: this.room(frame.roomId).members });
      case "signal":
        if (connection.rooms.has(frame.roomId)) this.signal(frame.roomId, connection.user, frame.kind, frame.data);
        return;
      case "ping":
        return connection.send({ type: "pong", t: frame.t });
      case "auth": {
        const user = this.userOf(frame.token);
        if (user == null) return this.#refuse(connection, { code: "forbidden" }, frame.ref);
        if (user != connection.user) return this.close(connection, 4002, "Token of another user");
        this.clock.clearTimeout(connection.tokenEnd);
        return connection.send({ type: "auth_ok", ref: frame.ref });
      }
    }
  }

  /** Appends a message to a room's log. */
  append(name: string, entry: Omit<Logged, "seq" | "id" | "timestamp">): Logged {
    const room = this.room(name);
    const logged = room.log.append({ ...entry, id: this.#id("m"), timestamp: new Date(this.clock.Date.now()).toISOString() });
    room.log.trim(this.limits.history);
    return logged;
  }

  deliver(name: string, entry: Logged): void {
    for (const connection of this.room(name).connections) connection.send(this.#message(connection, name, entry, false));
  }

  signal(roomId: string, userId: string, kind: string, data: unknown): void {
    for (const other of this.room(roomId).connections) {
      if (other.extended && other.user != userId) other.send({ type: "signal", roomId, userId, kind, data });
    }
  }

  #id(kind: string): string {
    return `${kind}${this.name}-${++this.#last}`;
  }

  #join(connection: Connection, { roomId, ref, since, history = 0 }: Join): void {
    const asked = connection.extended ? ref : undefined;
    const refusal = this.plan.refusal("join_room", roomId) ?? this.#roomRefusal(roomId, asked, connection);
    if (refusal) return this.#refuse(connection, refusal, asked, roomId);
    const name = storedName(connection.user, roomId);
    const room = this.room(name);
    connection.rooms.add(name);
    // Joins before anything later is delivered, and after everything earlier was.
    room.enter(connection.user, connection);
    if (!asked) return;
    const { log } = room;
    const reason = log.resumeFailure(since);
    const most = roomId == PERSONAL_ROOM ? Infinity : this.limits.replay;
    const replay = reason ? lastOf(log.entries, Math.min(history, most)) : log.after(since!.seq).slice(0, most);
    const members = roomId == PERSONAL_ROOM ? undefined : room.members;
    connection.send({
      type: "joined", ref: asked, roomId, epoch: log.epoch, seq: log.head, replay: replay.length, recovered: !reason, reason, members,
    });
    for (const entry of replay) connection.send(this.#message(connection, roomId, entry, true));
  }

  /** Why a room is refused. */
  #roomRefusal(roomId: string, asked: string | undefined, connection: Connection): Refusal | undefined {
    if (roomId == PERSONAL_ROOM && asked) return undefined;
    if (!roomId || badRoomName.test(roomId)) return { code: "bad_request" };
    return connection.rooms.size >= this.limits.rooms ? { code: "too_many_rooms" } : undefined;
  }

  #send(connection: Connection, frame: SendFrame): void {
    const { roomId, content, data, pid, pseq } = frame;
    const { user } = connection;
    const now = this.clock.performance.now();
    const numbered = connection.extended && pid && pseq ? { pid, pseq } : undefined;
    const { log, producers: producers } = this.room(roomId);
    if (numbered) {
      const known = producers.check(user, numbered.pid, numbered.pseq, frame.epoch == log.epoch, now);
      if (known == "unknown") return this.#nack(connection, frame, { code: "unknown_producer" });
      if (typeof known == "number") return this.#nack(connection, frame, { code: "sequence_gap", retry: true, expected: known });
      if (known != "next") {
        if ("nack" in known) return this.#nack(connection, frame, { code: known.nack }, true);
        return connection.send({ type: "ack", ref: frame.ref, roomId, ...known.ack, epoch: log.epoch, dup: true });
      }
    }
    const refusal = this.plan.refusal("send_message", roomId) ?? this.#sendRefusal(connection, frame);
    if (refusal) {
      if (numbered && !refusal.retry) producers.record(user, numbered.pid, numbered.pseq, { nack: refusal.code }, now);
      return this.#nack(connection, frame, refusal);
    }
    const entry = this.append(roomId, { user, content, data: connection.extended ? data : undefined, ...numbered });
    const { id, seq, timestamp } = entry;
    if (numbered) producers.record(user, numbered.pid, numbered.pseq, { ack: { id, seq } }, now);
    if (connection.extended && frame.ref) {
      connection.send({ type: "ack", ref: frame.ref, roomId, id, epoch: log.epoch, seq, timestamp });
    }
    this.deliver(roomId, entry);
  }

  #sendRefusal(connection: Connection, { roomId, content, data }: SendFrame): Refusal | undefined {
    if (!connection.rooms.has(roomId)) return { code: "not_joined", retry: true };
    const bytes = byteLength(content + (data === undefined ? "" : JSON.stringify(data)));
    return bytes > this.limits.contentBytes ? { code: "too_large" } : undefined;
  }

  #nack(connection: Connection, { ref, roomId }: SendFrame, refusal: Refusal & { expected?: number }, dup?: true): void {
    if (!connection.extended || !ref) return this.#refuse(connection, refusal, undefined, roomId);
    const { code, retry = false, retryAfterMs, expected, message = code } = refusal;
    connection.send({ type: "nack", ref, code, retry, retryAfterMs, expected, dup, message });
  }

  #notJoined(connection: Connection, roomId: string, ref?: string): void {
    this.#refuse(connection, { code: "not_joined", retry: true }, ref, roomId);
  }

  #refuse(connection: Connection, refusal: Refusal, ref?: string, roomId?: string): void {
    const { code, retry = false, retryAfterMs, message = code } = refusal;
    if (connection.extended) connection.send({ type: "error", ref, roomId, code, retry, retryAfterMs, message });
    else connection.send({ type: "error", message });
  }

  #message({ user: reader, extended }: Connection, roomId: string, entry: Logged, replayed: boolean) {
    const { id, seq, user, content, timestamp, data, kind, pid, pseq } = entry;
    if (!extended) return { type: "message", roomId, userId: user, content, timestamp };
    const name = kind == undefined ? roomId : storedName(reader, PERSONAL_ROOM);
    const position = { id, epoch: this.room(name).log.epoch, seq, replay: replayed || undefined };
    if (kind != undefined) return { type: "notification", kind, data, ...position };
    return { type: "message", roomId, userId: user, content, timestamp, data, ...position, ...(reader == user && { pid, pseq }) };
  }
}

/** A room's name on the server. The personal stream has a name that no room can have. */
const storedName = (user: string, roomId: string): string => (roomId == PERSONAL_ROOM ? streamOf(user) : roomId);

/** The name of a user's personal stream. */
export const streamOf = (user: string): string => `@${user}`;

const lastOf = <T>(list: readonly T[], count: number): T[] => (count ? list.slice(-count) : []);
