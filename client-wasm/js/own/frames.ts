import { RejoinError } from "../errors.js";
import { Input } from "../names.js";
import type { Inside } from "../speech.js";
import type { ListenOptions } from "../types.js";
import { fields, millis, signal, truth } from "../validate.js";
import { given } from "./given.js";
import { Listeners } from "./listeners.js";
import { Said } from "./names.js";
import type { AnyFrame, FrameName, FrameOf, FrameOptions, FrameReceipt, Frames } from "./types.js";

/** Frames have no room. */
const NO_ROOM = 0;

const sending = { timeout: millis, signal, volatile: truth };

/** One client's messages of the application's own. */
export class OwnFrames implements Frames<any, object> {
  readonly #named = new Listeners<unknown>();
  readonly #any = new Listeners<AnyFrame>();

  constructor(readonly inside: Inside) {
    adopt(inside.failed);
    const emitter = inside.emitter as unknown as Listeners<AnyFrame>;
    emitter.names = [...emitter.names, "frame"];
    emitter.on("frame", (frame) => this.#heard(frame));
  }

  #heard(frame: AnyFrame): void {
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
      const kind = options.volatile ? (Said.Volatile as number as Input) : Input.Send;
      this.inside.send(kind, NO_ROOM, { data }, bytes, options, resolve as (receipt: unknown) => void, reject);
    });
  }
}

/** Errors of this part are those of the script that has loaded it, whose classes an application knows. */
function adopt(failed: Inside["failed"]): void {
  const theirs = Object.getPrototypeOf(Object.getPrototypeOf(failed("failed", "closed"))) as object;
  if (theirs != RejoinError.prototype) Object.setPrototypeOf(RejoinError.prototype, theirs);
}
