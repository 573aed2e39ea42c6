// The object `client.frames` of a Socket.IO client: listeners, emits and acks of application events.
import { Input } from "../../wasm/codes.js";
import { keyRule, Listeners, shareErrorClass, withFrameHint } from "../../app_frames/shared.js";
import type { ClientInternals } from "../../protocol/protocol.js";
import { wellFormed } from "../../util/text.js";
import type { ListenOptions } from "../../types.js";
import { checkArgument, check, checkFields, millis, signal, text, bool } from "../../client/arguments.js";
import type { EventNames } from "../event_names.js";
import { PacketIn } from "../codes.js";
import { encodeArgs } from "./encode.js";
import type { AnyEvent, Emits, EmitOptions, AnyEvents, OwnEvents } from "./types.js";

type Listener = (...args: any[]) => unknown;

/** An event being dispatched; collects the listeners' results. */
interface Dispatch extends AnyEvent {
  readonly ack: number;
  results: unknown[];
}

/** Events have no room. */
const NO_ROOM = 0;
/** A key by which a server recognises a duplicate. */
const idempotencyKeyRule = [(value: unknown) => text[0](value) && [...(value as string)].length <= 128, "a text of 1 to 128 characters"] as const;
const emitRules = { timeout: millis, signal, volatile: bool, idempotent: idempotencyKeyRule };

/** The application events of one client. */
export class Events implements OwnEvents<AnyEvents, AnyEvents> {
  readonly #named = new Listeners<Dispatch>();
  readonly #any = new Listeners<AnyEvent>();
  /** The wrapper that is registered for each listener. */
  readonly #callers = new WeakMap<Listener, (event: Dispatch) => void>();
  #isUp = false;

  constructor(
    readonly client: ClientInternals,
    readonly names: EventNames,
  ) {
    shareErrorClass(client.sendError);
    const emitter = client.emitter as unknown as Listeners<Dispatch>;
    client.emitter.on("state", ({ state }) => (this.#isUp = state == "connected"));
    emitter.names = [...emitter.names, "frame"];
    emitter.on("frame", (event) => this.#receive({ ...event, results: [] }));
  }

  #receive(event: Dispatch): void {
    this.#named.emit(event.name, event);
    this.#any.emit("any", { name: event.name, args: event.args });
    if (event.ack) void this.#answer(event.ack, event.results.find((given) => given !== undefined));
  }

  /** Sends the answer when it is available: an empty one if the listener failed. */
  async #answer(ack: number, given: unknown): Promise<void> {
    let answer = encodeArgs([]);
    try {
      const value = await given;
      if (value !== undefined) answer = encodeArgs([value]);
    } catch (error) {
      // Reported like an exception thrown by a listener.
      setTimeout(() => {
        throw error;
      });
    }
    try {
      this.#command(PacketIn.Answer, [ack], answer);
    } catch {
      // The client is closed: no answer is needed.
    }
  }

  #command(kind: PacketIn, first: number[], { data, bytes } = encodeArgs([])): void {
    const { handles, command } = this.client;
    command(kind as number as Input, [...first, handles.add({ data }), bytes]);
  }

  #caller(listener: Listener): (event: Dispatch) => void {
    checkArgument(listener, [(value) => typeof value == "function", "a function"], "the listener");
    let caller = this.#callers.get(listener);
    if (!caller) this.#callers.set(listener, (caller = ({ args, results: given }) => void given.push(listener(...args))));
    return caller;
  }

  #check(name: unknown): string {
    checkArgument(name, text, "name");
    const written = wellFormed(name as string);
    check(!this.names.isReserved(written), "bad_argument", `"${written}" is an event of the contract, or Socket.IO's own`, "give it another name");
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
    checkFields(options, emitRules);
    check(!options.volatile || options.idempotent == undefined, "bad_option", "an event is volatile or idempotent, not both", "what is volatile is never sent again");
    return {
      emit: async (name, ...args) => {
        check(options.idempotent == undefined, "bad_option", "an idempotent event needs an answer", "use emitWithAck: nothing else says that it has arrived");
        return this.#emit(options.volatile ? PacketIn.Volatile : (Input.Send as number as PacketIn), name, args, options);
      },
      emitWithAck: async (name, ...args) => {
        check(!options.volatile, "bad_option", "there is no answer to what is volatile", "leave out volatile, or the ack");
        return (await this.#emit<{ answer?: unknown }>(PacketIn.EmitWithAck, name, args, options)).answer as any;
      },
    };
  }

  emit(name: string, ...args: unknown[]): Promise<{ status: "written" }> {
    return this.with({}).emit(name, ...args);
  }

  emitWithAck(name: string, ...args: unknown[]): Promise<any> {
    return this.with({}).emitWithAck(name, ...args);
  }

  #emit<Receipt>(kind: PacketIn, name: string, args: readonly unknown[], options: EmitOptions): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const { idempotent } = options;
      const isIdempotent = idempotent != undefined;
      const { data, bytes } = encodeArgs([this.#check(name), ...args, ...(isIdempotent ? [wellFormed(idempotent)] : [])]);
      if (isIdempotent) kind = PacketIn.IdempotentWithAck;
      const failed = (error: Error) => reject(withFrameHint(error));
      if (kind == PacketIn.Volatile && !this.#isUp) return failed(this.client.sendError("failed", "dropped"));
      this.client.send(kind as number as Input, NO_ROOM, { data }, bytes, options, resolve as (receipt: unknown) => void, failed);
    });
  }

  keep(key: string, name: string, ...args: unknown[]): void {
    checkArgument(key, keyRule, "key");
    this.#command(PacketIn.Keep, [this.client.handles.number(wellFormed(key))], encodeArgs([this.#check(name), ...args]));
  }

  dropKept(key: string): void {
    checkArgument(key, keyRule, "key");
    this.client.command(PacketIn.DropKept as number as Input, [this.client.handles.number(wellFormed(key))]);
  }
}
