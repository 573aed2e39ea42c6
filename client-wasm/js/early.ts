// Stands for the machine as long as its module is not there. Keeps what is asked of it; a send may end meanwhile.
import { Input, Output, sendFailures, states, type SendFailure, type State } from "./names.js";
import type { Clock, Diagnostics } from "./types.js";

/** The bounds and the time that sends have with the machine too. */
const MOST_SENDS = 4096;
const MOST_BYTES = 4 << 20;
const TTL = 600_000;

type Said = [kind: Input, fields: readonly number[], ids?: readonly string[]];

/** A send that waits. */
interface Waiting {
  said: Said;
  value: number;
  bytes: number;
  /** When it ends, and as what. */
  at: number;
  as: SendFailure;
}

export class EarlyMachine {
  /** What the machine is told when it is there, in order. */
  readonly #said: Said[] = [];
  readonly ids: string[] = [];
  fields: number[] = [];
  readonly #sends = new Map<number, Waiting>();
  #bytes = 0;
  readonly #outputs: [kind: Output, ...fields: number[]][] = [];
  readonly #released: number[] = [];

  constructor(
    readonly clock: Clock,
    readonly ttl: number | undefined,
    /** Somebody says that loading might help now. */
    readonly again: () => void,
  ) {}

  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    const said: Said = [kind, fields, ids];
    const [first = 0, second = 0, value = 0, bytes = 0, timeout = 0] = fields;
    switch (kind) {
      case Input.Send: {
        this.#bytes += bytes;
        const ttl = this.ttl || TTL;
        const isTimeout = timeout > 0 && timeout < ttl;
        const at = this.clock.performance.now() + (isTimeout ? timeout : ttl);
        this.#sends.set(first, { said, value, bytes, at, as: isTimeout ? "timeout" : "expired" });
        this.#said.push(said);
        if (this.#sends.size > MOST_SENDS || this.#bytes > MOST_BYTES) this.#end(first, "queue_full");
        return;
      }
      case Input.Cancel:
        return this.#end(first, "cancelled");
      case Input.Signal:
        return void this.#released.push(second);
      case Input.Tick: {
        const now = this.clock.performance.now();
        for (const [send, { at, as }] of this.#sends) if (at <= now) this.#end(send, as);
        return;
      }
      case Input.Close:
        this.fail();
        for (const state of ["closing", "closed"] as State[]) this.#outputs.push([Output.State, states.indexOf(state) + 1, 0, -1]);
        return;
      case Input.Reconnect:
      case Input.Hint:
        return this.again();
      case Input.Presence:
        return;
      case Input.SetToken:
        this.again();
      // Falls through: the machine is told too.
      default:
        this.#said.push(said);
    }
  }

  #end(send: number, why: SendFailure): void {
    const waiting = this.#sends.get(send);
    if (!waiting) return;
    this.#sends.delete(send);
    this.#bytes -= waiting.bytes;
    this.#released.push(waiting.value);
    this.#said.splice(this.#said.indexOf(waiting.said), 1);
    this.#outputs.push([Output.Delivery, send, 4, sendFailures.indexOf(why) + 1]);
  }

  poll(): Output | 0 {
    const [kind, ...fields] = this.#outputs.shift() ?? [0];
    this.fields = fields;
    return kind as Output | 0;
  }

  released(): number {
    return this.#released.pop() ?? 0;
  }

  get deadline(): number {
    return Math.min(...[...this.#sends.values()].map(({ at }) => at), Infinity);
  }

  /** The state is `failed`: nothing is waited for. */
  fail(): void {
    for (const send of this.#sends.keys()) this.#end(send, "closed");
  }

  /** Tells the machine what this one was told. A send has only what is left of its time. */
  handOver(machine: { input(...said: Said): void }): void {
    const now = this.clock.performance.now();
    for (const [kind, fields, ids] of this.#said) {
      const waiting = kind == Input.Send ? this.#sends.get(fields[0]!) : undefined;
      const isTimed = waiting?.as == "timeout";
      machine.input(kind, isTimed ? [...fields.slice(0, 4), Math.max(waiting!.at - now, 1)] : fields, ids);
    }
  }

  diagnostics(): Diagnostics {
    const counts = { dials: 0, connections: 0, framesIn: 0, framesOut: 0, unknownFrames: 0, garbledFrames: 0 };
    return { ...counts, outboxLength: this.#sends.size, outboxBytes: this.#bytes };
  }

  free(): void {}
}
