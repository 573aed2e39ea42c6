// The object `client.frames`: listeners, sends and requests of application frames.
import { Input } from "../wasm/codes.js";
import type { ClientInternals } from "../protocol/protocol.js";
import { isServerFrame } from "../protocol/frames.js";
import { wellFormed } from "../util/text.js";
import type { ListenOptions, Options } from "../types.js";
import { check, checkArgument, checkFields, millis, signal, bool } from "../client/arguments.js";
import { checkFrame } from "./frame.js";
import { keyRule, Listeners, shareErrorClass, withFrameHint } from "./shared.js";
import { FrameInput } from "./codes.js";
import { Requests } from "./requests.js";
import type { AnyFrame, FrameName, FrameOf, FrameOptions, FrameReceipt, Frames, RequestOptions } from "./types.js";

/** Frames have no room. */
const NO_ROOM = 0;

const sendRules = { timeout: millis, signal, volatile: bool };

/** Listeners by types of frames. Those of the protocol's own frames would never be called. */
class FrameListeners extends Listeners<unknown> {
  protected override check(name: unknown, listener: unknown): void {
    super.check(name, listener);
    check(!isServerFrame(name), "bad_argument", `"${name}" is the type of a frame of the protocol`, "listen to another one: the client's own events tell of these");
  }
}

/** The application frames of one client. */
export class AppFrames implements Frames<any, object> {
  readonly #named = new FrameListeners();
  readonly #any = new Listeners<AnyFrame>();
  /** `any` was called: a text that is no JSON is not lost. */
  hearsAny = false;

  readonly #requests: Requests;
  #isUp = false;

  constructor(
    readonly client: ClientInternals,
    { correlate, clock = globalThis }: Options,
  ) {
    shareErrorClass(client.sendError);
    this.#requests = new Requests(correlate, clock, ({ data, bytes }, options, written, failed) =>
      client.send(Input.Send, NO_ROOM, { data }, bytes, options, written, failed),
    );
    client.emitter.on("state", ({ state }) => {
      this.#isUp = state == "connected";
      this.#requests.stateChanged(state);
    });
    const emitter = client.emitter as unknown as Listeners<AnyFrame>;
    emitter.names = [...emitter.names, "frame"];
    emitter.on("frame", (frame) => this.#receive(frame));
  }

  #receive(frame: AnyFrame): void {
    if (this.#requests.resolves(frame)) return;
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
    this.hearsAny = true;
    return this.#any.on("any", listener, options);
  }

  send(frame: object | string, options: FrameOptions = {}): Promise<FrameReceipt> {
    return new Promise((resolve, reject) => {
      checkFields(options, sendRules);
      const { data, bytes } = checkFrame(frame);
      const failed = (error: Error) => reject(withFrameHint(error));
      // Before the machine exists a volatile frame must not be queued.
      if (options.volatile && !this.#isUp) return failed(this.client.sendError("failed", "dropped"));
      const kind = options.volatile ? (FrameInput.Volatile as number as Input) : Input.Send;
      this.client.send(kind, NO_ROOM, { data }, bytes, options, resolve as (receipt: unknown) => void, failed);
    });
  }

  keep(key: string, frame: object | string): void {
    checkArgument(key, keyRule, "key");
    const { data, bytes } = checkFrame(frame);
    const { handles, command } = this.client;
    command(FrameInput.Keep as number as Input, [handles.number(wellFormed(key)), handles.add({ data }), bytes]);
  }

  dropKept(key: string): void {
    checkArgument(key, keyRule, "key");
    const { handles, command } = this.client;
    command(FrameInput.DropKept as number as Input, [handles.number(wellFormed(key))]);
  }

  async request<Answer>(frame: object, options: RequestOptions = {}): Promise<Answer> {
    checkFields(options, { timeout: millis, signal });
    return (await this.#requests.request(frame, options)) as Answer;
  }
}
