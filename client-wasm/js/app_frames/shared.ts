// The common part of application frames and application events.
import { has_frames } from "../../pkg/rejoin.js";
import { start } from "../wasm/machine.js";
import { Emitter } from "../util/emitter.js";
import { checkArgument, func, type Rule, text } from "../client/arguments.js";
import { RejoinError } from "../errors.js";
import type { ClientInternals } from "../protocol/protocol.js";

/** Instantiates the module for all machines. Throws for a module without application frames. */
export function startWithFrames(module: WebAssembly.Module): void {
  const hasFrames = WebAssembly.Module.exports(module).some(({ name }) => name == "has_frames");
  if (hasFrames) start(module);
  // Another module may be instantiated already.
  if (!hasFrames || !has_frames()) throw new Error("this one has no frames");
}

/** Listeners by names of the application. */
export class Listeners<E> extends Emitter<{ [name: string]: E }> {
  constructor() {
    super([]);
  }

  protected override check(name: unknown, listener: unknown): void {
    checkArgument(name, text, "name");
    checkArgument(listener, func, `the listener of "${name}"`);
  }
}

/** The rule of the key of a kept frame. */
export const keyRule: Rule = [(key) => text[0](key) && [...key].length <= 64, "a text of up to 64 characters"];

/** Adds the hint for a failure that only frames have. */
export const withFrameHint = (error: Error): Error =>
  (error as RejoinError).code == "dropped" ? Object.assign(error, { hint: "the connection could not take it at once: send what is worth waiting for without volatile" }) : error;

/** Makes this script's error class inherit from that of the main script, so that instanceof works for the application. */
export function shareErrorClass(failed: ClientInternals["sendError"]): void {
  const theirs = Object.getPrototypeOf(Object.getPrototypeOf(failed("failed", "closed"))) as object;
  if (theirs != RejoinError.prototype) Object.setPrototypeOf(RejoinError.prototype, theirs);
}
