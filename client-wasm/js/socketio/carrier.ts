// The machine of several namespaces, as each of their clients has it: which one is spoken of is said before, and only then.
import type { Machine } from "../machine.js";
import { Input, type Output } from "../names.js";
import type { Diagnostics } from "../types.js";
import { Said, Sent } from "./names.js";

type Input3 = Parameters<Machine["input"]>;

/** A machine that namespaces share. The first of them, number 0, has it as any client has its machine. */
export interface Carrier extends Machine {
  inputIn(space: number, ...input: Input3): void;
  pollIn(space: number): Output | 0;
  releasedIn(space: number): number;
  diagnosticsIn(space: number): Diagnostics;
}

/** What a carrier tells. */
export interface CarrierEars {
  /** It is there. */
  made(machine: Carrier): void;
  /** There is something to do or to tell in this namespace. */
  told(space: number): void;
  /** It is gone. */
  freed(): void;
}

/** A class of such machines; `acks` says how acks are dealt with. */
export function carrier(Base: typeof Machine, acks: readonly number[], ears: CarrierEars): typeof Machine {
  return class extends Base implements Carrier {
    #space = 0;

    constructor(...config: ConstructorParameters<typeof Machine>) {
      super(...config);
      this.input(Said.Acks as number as Input, acks);
      ears.made(this);
    }

    #of(space: number): void {
      if (space == this.#space) return;
      super.input(Said.Within as number as Input, [space]);
      this.#space = space;
    }

    inputIn(space: number, ...input: Input3): void {
      this.#of(space);
      super.input(...input);
    }

    pollIn(space: number): Output | 0 {
      this.#of(space);
      return super.poll();
    }

    releasedIn(space: number): number {
      this.#of(space);
      return super.released();
    }

    diagnosticsIn(space: number): Diagnostics {
      this.#of(space);
      return super.diagnostics();
    }

    override input(...input: Input3): void {
      this.inputIn(0, ...input);
    }

    override poll(): Output | 0 {
      for (;;) {
        const kind = this.pollIn(0);
        if ((kind as number) != Sent.Within) return kind;
        ears.told(this.fields[0]!);
      }
    }

    override released(): number {
      return this.releasedIn(0);
    }

    override diagnostics(): Diagnostics {
      return this.diagnosticsIn(0);
    }

    override free(): void {
      ears.freed();
      super.free();
    }
  };
}

/** What the client of another namespace has in the place of a machine. */
export class SpaceMachine {
  #last: Diagnostics | undefined;

  constructor(
    /** `undefined` when it is gone. */
    readonly carrier: () => Carrier | undefined,
    readonly space: number,
    credentials: number,
    /** Something was said: the first has to do what follows. */
    readonly settle: () => void,
  ) {
    carrier()?.inputIn(0, Said.Begin as number as Input, [space, credentials]);
  }

  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    // Time passes for all of them at once.
    if (kind == Input.Tick) return;
    this.carrier()?.inputIn(this.space, kind, fields, ids);
    this.settle();
  }

  poll(): Output | 0 {
    return this.carrier()?.pollIn(this.space) ?? 0;
  }

  get fields(): Float64Array {
    return this.carrier()?.fields ?? new Float64Array();
  }

  get ids(): string[] {
    return this.carrier()?.ids ?? [];
  }

  released(): number {
    return this.carrier()?.releasedIn(this.space) ?? 0;
  }

  /** The first one's clock is for all. */
  get deadline(): number {
    return -1;
  }

  diagnostics(): Diagnostics {
    const counts = this.carrier()?.diagnosticsIn(this.space);
    return (this.#last = counts ?? this.#last!);
  }

  free(): void {}
}
