// One room's stream, as the frames of an extended server. Does not come back after its end.
import { isCount, isId, wellFormedJson } from "../../protocol/validate.js";
import { Stream, type Refusal } from "../../sse/stream.js";
import type { FetchInit, FetchResponse } from "../../sse/types.js";
import type { Clock, Position } from "../../types.js";
import { noHistory, type ServerFrame } from "./answers.js";
import { Parser, type StreamEvent } from "./parser.js";

/** A server says something every 15 s, if only a comment. */
const IDLE_TIMEOUT = 40_000;
/** How long the opening of a stream may take, and its first event. */
const OPEN_TIMEOUT = 20_000;

/** Fields of a frame, not validated: whoever is given the frame validates it. */
type Fields = { readonly [field: string]: unknown };

/** Notifications of one stream. No other follows `refused` and `lost`. */
export interface ReadingHandlers {
  frame(frame: ServerFrame): void;
  /** There is no stream. */
  refused(refusal: Refusal): void;
  /** Nothing has come in time: to begin with, or any more. */
  late(isOpen: boolean): void;
  /** The stream has ended, or is none that can be read here. */
  lost(): void;
}

/** What comes before the live messages. */
interface Replay {
  /** The log's head at the join. */
  head: number;
  /** The number of the last message that came. */
  last: number;
  /** The client does not go on from it: it asks for these messages page by page, as of a log that was trimmed. */
  isAskedFor: boolean;
}

/** The stream of one room, from the join that opens it. */
export class Reading {
  readonly #stream: Stream;
  readonly #parser = new Parser();
  readonly #clock: Clock;
  readonly #handlers: ReadingHandlers;
  /** What has come and not been told. */
  #events: StreamEvent[] = [];
  #replay: Replay | undefined;
  /** The page of the log that the client waits for. */
  #page: Fields | undefined;
  /** The last message that was told. */
  #last: Fields & Position | undefined;
  /** Lets the stream be read on. */
  #resume: (() => void) | undefined;
  #timer: unknown;

  constructor(
    readonly room: string,
    /** The frame `join_room`. */
    readonly join: Fields,
    fetching: (init: FetchInit) => Promise<FetchResponse>,
    headers: Record<string, string>,
    clock: Clock,
    handlers: ReadingHandlers,
  ) {
    this.#clock = clock;
    this.#handlers = handlers;
    this.#wait(OPEN_TIMEOUT);
    this.#stream = new Stream(0, fetching, headers, {
      opened: () => {},
      refused: (refusal) => this.#end(() => handlers.refused(refusal)),
      bytes: (piece) => {
        if (this.#replay) this.#wait(IDLE_TIMEOUT);
        this.#events.push(...this.#parser.read(piece));
        // The rest waits for the client, and so does the stream.
        return this.#tell() ? undefined : new Promise((resolve) => (this.#resume = resolve));
      },
      ended: () => this.#end(handlers.lost),
    });
  }

  /** Ends it without a notification. */
  drop(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#stream.drop();
    this.#events = [];
  }

  /** The client asks for messages of the log: answered with the next one of the replay, or refused where there is none. */
  ask(request: Fields): void {
    if (!this.#isAskedFor) {
      // Of what was left out nothing comes any more. The message that has shown it was not taken.
      const last = this.#last;
      const { ref, after } = request;
      return this.#handlers.frame(last && last.seq > (after as number) ? this.#history(request, last) : noHistory(ref, this.room));
    }
    this.#page = request;
    // While nothing was asked for, nothing was read.
    this.#wait(IDLE_TIMEOUT);
    if (this.#tell()) this.#resume?.();
  }

  get #isAskedFor(): boolean {
    const { isAskedFor, last, head } = this.#replay ?? {};
    return isAskedFor === true && last! < head!;
  }

  /** Tells what has come; false where the rest is not to be told yet. */
  #tell(): boolean {
    while (this.#events[0]) {
      if (this.#isAskedFor && !this.#page) {
        this.#clock.clearTimeout(this.#timer);
        return false;
      }
      this.#event(this.#events.shift()!);
    }
    return true;
  }

  #event({ kind, data, id }: StreamEvent): void {
    const frame = parse(data);
    if (!frame) return;
    if (kind == "joined" && !this.#replay) return this.#joined(frame);
    // Without a type the event's name decides. A gap shows itself by the next position.
    if (kind != "message" || (frame["type"] ?? kind) != kind) return;
    const position = positionOf(id);
    if (!position) return;
    const replay = this.#replay;
    // Messages come behind the answer to the join.
    if (!replay) return this.#end(this.#handlers.lost);
    replay.last = Math.max(replay.last, position.seq);
    const { pid: _, pseq: __, ...said } = frame;
    const message = { ...said, type: "message", roomId: this.room, ...position, replay: position.seq <= replay.head };
    const page = this.#page;
    this.#page = undefined;
    this.#last = message;
    this.#handlers.frame(page ? this.#history(page, message) : message);
  }

  /** The answer to a request for the log that is this message. */
  #history({ ref, after }: Fields, message: Fields & Position): ServerFrame {
    const { epoch, seq } = message;
    return { type: "history", ref, roomId: this.room, epoch, messages: [message], complete: seq == (after as number) + 1 };
  }

  #joined(frame: Fields): void {
    const { seq: head, replay, reason } = frame;
    if (!isCount(head) || !isCount(replay)) return this.#end(this.#handlers.lost);
    const last = Math.max(head - replay, 0);
    // A new log is received from its beginning, and asked for where that is gone.
    const isTrimmed = reason != undefined && !["fresh", "forked"].includes(reason as string) && (reason != "epoch_changed" || last > 0);
    this.#replay = { head, last, isAskedFor: !!this.join["since"] && isTrimmed };
    this.#wait(IDLE_TIMEOUT);
    this.#handlers.frame({ ...frame, type: "joined", ref: this.join["ref"], roomId: this.room });
  }

  #wait(ms: number): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this.#end(() => this.#handlers.late(!!this.#replay)), ms);
  }

  #end(tell: () => void): void {
    this.drop();
    tell();
  }
}

/** An object, if it is one. */
function parse(json: string): Fields | undefined {
  try {
    const value = JSON.parse(wellFormedJson(json));
    return value != undefined && typeof value == "object" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The position that an event's id is. */
function positionOf(eventId: string): Position | undefined {
  const [, epoch, digits, id] = /^([^:]*):(\d+):([^:]*)$/.exec(eventId) ?? [];
  const seq = Number(digits);
  return isId(epoch) && isCount(seq) && isId(id) ? { epoch, seq, id } : undefined;
}
