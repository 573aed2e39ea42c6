// Stands in for the state machine until its module is loaded: queues inputs, and expires or cancels queued sends.
import { Input, Output, sendFailures, states, type SendFailure, type State } from "./codes.js";
import { diagnosticsOf } from "./machine.js";
import type { Clock, Diagnostics } from "../types.js";

/** The same limits that the machine has. */
const MAX_SENDS = 4096;
const MAX_BYTES = 4 << 20;
const TTL = 600_000;

type QueuedInput = [kind: Input, fields: readonly number[], ids?: readonly string[]];

/** A queued send. */
interface QueuedSend {
  input: QueuedInput;
  value: number;
  bytes: number;
  /** Its deadline, and the failure at that time. */
  deadline: number;
  code: SendFailure;
}

export class EarlyMachine {
  readonly #retryLoad: () => void;
  readonly #ttl: number | undefined;
  readonly #clock: Clock;
  /** Inputs to replay when the machine is created, in order. */
  readonly #inputs: QueuedInput[] = [];
  readonly ids: string[] = [];
  fields: number[] = [];
  readonly #sends = new Map<number, QueuedSend>();
  #bytes = 0;
  readonly #outputs: [kind: Output, ...fields: number[]][] = [];
  readonly #released: number[] = [];

  constructor(
    clock: Clock,
    ttl: number | undefined,
    /** Called when loading should be retried now. */
    retryLoad: () => void,
  ) {
    this.#clock = clock;
    this.#ttl = ttl;
    this.#retryLoad = retryLoad;
  }

  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    const queued: QueuedInput = [kind, fields, ids];
    const [first = 0, second = 0, value = 0, bytes = 0, timeout = 0] = fields;
    switch (kind) {
      case Input.Send: {
        this.#bytes += bytes;
        const ttl = this.#ttl || TTL;
        const isTimeout = timeout > 0 && timeout < ttl;
        const deadline = this.#clock.performance.now() + (isTimeout ? timeout : ttl);
        this.#sends.set(first, { input: queued, value, bytes, deadline, code: isTimeout ? "timeout" : "expired" });
        this.#inputs.push(queued);
        if (this.#sends.size > MAX_SENDS || this.#bytes > MAX_BYTES) this.#end(first, "queue_full");
        return;
      }
      case Input.Cancel:
        return this.#end(first, "cancelled");
      case Input.Signal:
        return void this.#released.push(second);
      case Input.Tick: {
        const now = this.#clock.performance.now();
        for (const [send, { deadline, code }] of this.#sends) if (deadline <= now) this.#end(send, code);
        return;
      }
      case Input.Close:
        this.fail();
        for (const state of ["closing", "closed"] as State[]) this.#outputs.push([Output.State, states.indexOf(state) + 1, 0, -1]);
        return;
      case Input.Reconnect:
      case Input.Hint:
        return this.#retryLoad();
      case Input.Presence:
        return;
      case Input.SetToken:
        this.#retryLoad();
      // Falls through: the machine gets this input too.
      default:
        this.#inputs.push(queued);
    }
  }

  #end(send: number, why: SendFailure): void {
    const waiting = this.#sends.get(send);
    if (!waiting) return;
    this.#sends.delete(send);
    this.#bytes -= waiting.bytes;
    this.#released.push(waiting.value);
    this.#inputs.splice(this.#inputs.indexOf(waiting.input), 1);
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
    return Math.min(...[...this.#sends.values()].map(({ deadline }) => deadline), Infinity);
  }

  /** The client has failed: no queued send can be sent. */
  fail(): void {
    for (const send of this.#sends.keys()) this.#end(send, "closed");
  }

  /** Replays the queued inputs into the machine. A timed send gets its remaining time. */
  replay(machine: { input(...said: QueuedInput): void }): void {
    const now = this.#clock.performance.now();
    for (const [kind, fields, ids] of this.#inputs) {
      const waiting = kind == Input.Send ? this.#sends.get(fields[0]!) : undefined;
      const isTimed = waiting?.code == "timeout";
      machine.input(kind, isTimed ? [...fields.slice(0, 4), Math.max(waiting!.deadline - now, 1)] : fields, ids);
    }
  }

  diagnostics(): Diagnostics {
    return diagnosticsOf([0, 0, 0, 0, 0, 0, this.#sends.size, this.#bytes]);
  }

  free(): void {}
}
