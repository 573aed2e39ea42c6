import { Emitter } from "../emitter.js";
import { argument, call, text } from "../validate.js";

/** Listeners by names that the application knows. */
export class Listeners<E> extends Emitter<{ [name: string]: E }> {
  constructor() {
    super([]);
  }

  protected override check(name: unknown, listener: unknown): void {
    argument(name, text, "name");
    argument(listener, call, `the listener of "${name}"`);
  }
}
