// Numbers for what the state machine does not hold itself: names permanently, values until they are released.
import type { Frame } from "../protocol/validate.js";
import type { Reply } from "../errors.js";
import type { Payload } from "../storage/storage_types.js";

/** Maps handles of the machine to names (permanent) and to values (until the machine releases them). */
export class HandleTable {
  /** 0 is none. */
  readonly #names = [""];
  readonly #numbers = new Map<string, number>();
  readonly #values = new Map<number, Frame | Payload>();
  #last = 0;
  /** Frames that the machine does not release itself. */
  #temporary: number[] = [];
  /** The refusal of the frame that is being processed. */
  refusal: Reply = {};

  /** The number of a name; assigns one to a new name. */
  number(name: string): number {
    let number = this.#numbers.get(name);
    if (number == undefined) {
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** The number of a name, or of a number's digits, or 0. */
  find(name: unknown): number {
    return this.#numbers.get((typeof name == "number" ? `${name}` : name) as string) ?? 0;
  }

  name(number: number): string {
    return this.#names[number] ?? "";
  }

  add(value: Frame | Payload): number {
    this.#last = (this.#last % 0xffff_ffff) + 1;
    this.#values.set(this.#last, value);
    return this.#last;
  }

  /** Keeps a frame until everything that follows from this input was emitted. */
  hold(frame: Frame): number {
    const value = this.add(frame);
    this.#temporary.push(value);
    return value;
  }

  dropHeld(): void {
    for (const value of this.#temporary.splice(0)) this.#values.delete(value);
    this.refusal = {};
  }

  drop(value: number): void {
    this.#values.delete(value);
  }

  frame(value: number): Frame {
    return (this.#values.get(value) ?? {}) as Frame;
  }

  payload(value: number): Payload {
    return (this.#values.get(value) ?? {}) as Payload;
  }
}
