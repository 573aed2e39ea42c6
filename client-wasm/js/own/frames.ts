import { Input } from "../names.js";
import type { Inside } from "../speech.js";
import { wellFormed } from "../text.js";
import type { ListenOptions, Options } from "../types.js";
import { argument, fields, millis, signal, truth } from "../validate.js";
import { given } from "./given.js";
import { Listeners } from "./listeners.js";
import { Said } from "./names.js";
import { Requests } from "./requests.js";
import { adopt, aKey, explained } from "./shared.js";
import type { AnyFrame, FrameName, FrameOf, FrameOptions, FrameReceipt, Frames, RequestOptions } from "./types.js";

/** Frames have no room. */
const NO_ROOM = 0;

const sending = { timeout: millis, signal, volatile: truth };

/** One client's messages of the application's own. */
export class OwnFrames implements Frames<any, object> {
  readonly #named = new Listeners<unknown>();
  readonly #any = new Listeners<AnyFrame>();

  readonly #requests: Requests;
  #isUp = false;

  constructor(
    readonly inside: Inside,
    { correlate, clock = globalThis }: Options,
  ) {
    adopt(inside.failed);
    this.#requests = new Requests(correlate, clock, ({ data, bytes }, options, written, failed) =>
      inside.send(Input.Send, NO_ROOM, { data }, bytes, options, written, failed),
    );
    inside.emitter.on("state", ({ state }) => {
      this.#isUp = state == "connected";
      this.#requests.changed(state);
    });
    const emitter = inside.emitter as unknown as Listeners<AnyFrame>;
    emitter.names = [...emitter.names, "frame"];
    emitter.on("frame", (frame) => this.#heard(frame));
  }

  #heard(frame: AnyFrame): void {
    if (this.#requests.takes(frame)) return;
    if (frame.name != undefined) this.#named.emit(frame.name, frame.data);
    this.#any.emit("any", frame);
  }

  on<Name extends FrameName<any>>(name: Name, listener: (frame: FrameOf<any, Name>) => void, options?: ListenOptions): () => void {
    return this.#named.on(name, listener as (frame: unknown) => void, options);
  }

  once<Name extends FrameName<any>>(name: Name, listener: (frame: FrameOf<any, Name>) => void, options?: ListenOptions): () => void {
    return this.#named.on(name, listener as (frame: unknown) => void, options, true);
  }

  off<Name extends FrameName<any>>(name: Name, listener: (frame: FrameOf<any, Name>) => void): void {
    this.#named.off(name, listener as (frame: unknown) => void);
  }

  any(listener: (frame: AnyFrame) => void, options?: ListenOptions): () => void {
    return this.#any.on("any", listener, options);
  }

  send(frame: object | Uint8Array, options: FrameOptions = {}): Promise<FrameReceipt> {
    return new Promise((resolve, reject) => {
      fields(options, sending);
      const { data, bytes } = given(frame);
      const failed = (error: Error) => reject(explained(error));
      // Where there is no machine yet, what is volatile must not wait for it.
      if (options.volatile && !this.#isUp) return failed(this.inside.failed("failed", "dropped"));
      const kind = options.volatile ? (Said.Volatile as number as Input) : Input.Send;
      this.inside.send(kind, NO_ROOM, { data }, bytes, options, resolve as (receipt: unknown) => void, failed);
    });
  }

  keep(key: string, frame: object | Uint8Array): void {
    argument(key, aKey, "key");
    const { data, bytes } = given(frame);
    const { table, ask } = this.inside;
    ask(Said.Keep as number as Input, [table.number(wellFormed(key)), table.keep({ data }), bytes]);
  }

  dropKept(key: string): void {
    argument(key, aKey, "key");
    const { table, ask } = this.inside;
    ask(Said.DropKept as number as Input, [table.number(wellFormed(key))]);
  }

  async request<Answer>(frame: object, options: RequestOptions = {}): Promise<Answer> {
    fields(options, { timeout: millis, signal });
    return (await this.#requests.request(frame, options)) as Answer;
  }
}
