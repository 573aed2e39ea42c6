import { Input } from "../../names.js";
import { Listeners } from "../../own/listeners.js";
import { adopt, aKey, explained } from "../../own/shared.js";
import type { Inside } from "../../speech.js";
import { wellFormed } from "../../text.js";
import type { ListenOptions } from "../../types.js";
import { argument, check, fields, millis, signal, text, truth } from "../../validate.js";
import type { EventNames } from "../events.js";
import { Said } from "../names.js";
import { parcel } from "./parcel.js";
import type { AnyEvent, Emits, EmitOptions, AnyEvents, OwnEvents } from "./types.js";

type Listener = (...args: any[]) => unknown;

/** An event on its way to the listeners, which leave here what they give. */
interface Happening extends AnyEvent {
  readonly ack: number;
  given: unknown[];
}

/** Events have no room. */
const NO_ROOM = 0;
/** A key by which a server can tell that an event comes twice. */
const onceKey = [(value: unknown) => text[0](value) && [...(value as string)].length <= 128, "a text of 1 to 128 characters"] as const;
const emitting = { timeout: millis, signal, volatile: truth, idempotent: onceKey };

/** One client's events of the application's own. */
export class Events implements OwnEvents<AnyEvents, AnyEvents> {
  readonly #named = new Listeners<Happening>();
  readonly #any = new Listeners<AnyEvent>();
  /** What stands for a listener among the others. */
  readonly #callers = new WeakMap<Listener, (event: Happening) => void>();
  #isUp = false;

  constructor(
    readonly inside: Inside,
    readonly names: EventNames,
  ) {
    adopt(inside.failed);
    const emitter = inside.emitter as unknown as Listeners<Happening>;
    inside.emitter.on("state", ({ state }) => (this.#isUp = state == "connected"));
    emitter.names = [...emitter.names, "frame"];
    emitter.on("frame", (event) => this.#heard({ ...event, given: [] }));
  }

  #heard(event: Happening): void {
    this.#named.emit(event.name, event);
    this.#any.emit("any", { name: event.name, args: event.args });
    if (event.ack) void this.#answer(event.ack, event.given.find((given) => given !== undefined));
  }

  /** Gives the answer when it is there: an empty one when it will not be. */
  async #answer(ack: number, given: unknown): Promise<void> {
    let answer = parcel([]);
    try {
      const value = await given;
      if (value !== undefined) answer = parcel([value]);
    } catch (error) {
      // As what a listener throws.
      setTimeout(() => {
        throw error;
      });
    }
    try {
      this.#ask(Said.Answer, [ack], answer);
    } catch {
      // The client is closed, and nobody waits.
    }
  }

  #ask(kind: Said, first: number[], { data, bytes } = parcel([])): void {
    const { table, ask } = this.inside;
    ask(kind as number as Input, [...first, table.keep({ data }), bytes]);
  }

  #caller(listener: Listener): (event: Happening) => void {
    argument(listener, [(value) => typeof value == "function", "a function"], "the listener");
    let caller = this.#callers.get(listener);
    if (!caller) this.#callers.set(listener, (caller = ({ args, given }) => void given.push(listener(...args))));
    return caller;
  }

  #check(name: unknown): string {
    argument(name, text, "name");
    const written = wellFormed(name as string);
    check(!this.names.isTaken(written), "bad_argument", `"${written}" is an event of the contract, or Socket.IO's own`, "give it another name");
    return written;
  }

  on(name: string, listener: Listener, options?: ListenOptions): () => void {
    return this.#named.on(this.#check(name), this.#caller(listener), options);
  }

  once(name: string, listener: Listener, options?: ListenOptions): () => void {
    return this.#named.on(this.#check(name), this.#caller(listener), options, true);
  }

  off(name: string, listener: Listener): void {
    this.#named.off(this.#check(name), this.#caller(listener));
  }

  any(listener: (event: AnyEvent) => void, options?: ListenOptions): () => void {
    return this.#any.on("any", listener, options);
  }

  with(options: EmitOptions): Emits<AnyEvents> {
    fields(options, emitting);
    check(!options.volatile || options.idempotent == undefined, "bad_option", "an event is volatile or idempotent, not both", "what is volatile is never sent again");
    return {
      emit: (name, ...args) => this.#emit(options.volatile ? Said.Volatile : (Input.Send as number as Said), name, args, options),
      emitWithAck: async (name, ...args) => {
        check(!options.volatile, "bad_option", "there is no answer to what is volatile", "leave out volatile, or the ack");
        return (await this.#emit<{ answer?: unknown }>(Said.Ask, name, args, options)).answer as any;
      },
    };
  }

  emit(name: string, ...args: unknown[]): Promise<{ status: "written" }> {
    return this.with({}).emit(name, ...args);
  }

  emitWithAck(name: string, ...args: unknown[]): Promise<any> {
    return this.with({}).emitWithAck(name, ...args);
  }

  #emit<Receipt>(kind: Said, name: string, args: readonly unknown[], options: EmitOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const { idempotent } = options;
      const isAgain = idempotent != undefined;
      const { data, bytes } = parcel([this.#check(name), ...args, ...(isAgain ? [wellFormed(idempotent)] : [])]);
      if (isAgain) kind = kind == Said.Ask ? Said.AskAgain : Said.Again;
      const failed = (error: Error) => reject(explained(error));
      if (kind == Said.Volatile && !this.#isUp) return failed(this.inside.failed("failed", "dropped"));
      this.inside.send(kind as number as Input, NO_ROOM, { data }, bytes, options, resolve as (receipt: unknown) => void, failed);
    });
  }

  keep(key: string, name: string, ...args: unknown[]): void {
    argument(key, aKey, "key");
    this.#ask(Said.Keep, [this.inside.table.number(wellFormed(key))], parcel([this.#check(name), ...args]));
  }

  dropKept(key: string): void {
    argument(key, aKey, "key");
    this.inside.ask(Said.DropKept as number as Input, [this.inside.table.number(wellFormed(key))]);
  }
}
