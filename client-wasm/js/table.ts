import type { Frame } from "./fields.js";
import type { Reply } from "./errors.js";
import type { Given } from "./stored.js";

/** What the machine knows by numbers: rooms and users for good, frames and what is to be sent until it lets go. */
export class Table {
  /** 0 is none. */
  readonly #names = [""];
  readonly #numbers = new Map<string, number>();
  readonly #values = new Map<number, Frame | Given>();
  #last = 0;
  /** Frames that the machine keeps no value of. */
  #passing: number[] = [];
  /** The words of the refusal that is being dealt with: they belong to what it refuses. */
  refusal: Reply = {};

  /** The number of a name, made if need be. */
  number(name: string): number {
    let number = this.#numbers.get(name);
    if (number == undefined) {
      number = this.#names.push(name) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** The number of a name, or 0. */
  find(name: unknown): number {
    return this.#numbers.get(name as string) ?? 0;
  }

  name(number: number): string {
    return this.#names[number] ?? "";
  }

  keep(value: Frame | Given): number {
    this.#last = (this.#last % 0xffff_ffff) + 1;
    this.#values.set(this.#last, value);
    return this.#last;
  }

  /** Keeps a frame until all that follows from it has been said. */
  pass(frame: Frame): number {
    const value = this.keep(frame);
    this.#passing.push(value);
    return value;
  }

  passed(): void {
    for (const value of this.#passing.splice(0)) this.#values.delete(value);
    this.refusal = {};
  }

  drop(value: number): void {
    this.#values.delete(value);
  }

  frame(value: number): Frame {
    return (this.#values.get(value) ?? {}) as Frame;
  }

  given(value: number): Given {
    return (this.#values.get(value) ?? {}) as Given;
  }
}
