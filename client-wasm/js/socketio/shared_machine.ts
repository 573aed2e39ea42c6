// One machine shared by several namespaces: selects the namespace before each call.
import type { Machine } from "../wasm/machine.js";
import { Input, Output } from "../wasm/codes.js";
import type { Diagnostics } from "../types.js";
import { PacketIn, PacketOut } from "./codes.js";

type InputArgs = Parameters<Machine["input"]>;

/** A machine that several namespaces share. The first namespace, number 0, uses it like any client. */
export interface SharedMachine extends Machine {
  inputIn(space: number, ...input: InputArgs): void;
  pollIn(space: number): Output | 0;
  releasedIn(space: number): number;
  diagnosticsIn(space: number): Diagnostics;
}

/** Notifications of a shared machine. */
export interface SharedMachineHandlers {
  /** It was created. */
  made(machine: SharedMachine): void;
  /** The next output is a dial by this transport. */
  dialling(conn: number, transport: number): void;
  /** There is an output for this namespace. */
  outputFor(space: number): void;
  /** It was freed. */
  freed(): void;
}

/** The slot of a dial that has its transport. */
const TRANSPORT_FIELD = 5;

/** Returns a class of such machines; `settings` are those for acks, and the transports. */
export function sharedMachine(Base: typeof Machine, settings: readonly number[], handlers: SharedMachineHandlers): typeof Machine {
  return class extends Base implements SharedMachine {
    #space = 0;

    constructor(...config: ConstructorParameters<typeof Machine>) {
      super(...config);
      this.input(PacketIn.Settings as number as Input, settings);
      handlers.made(this);
    }

    #select(space: number): void {
      if (space == this.#space) return;
      super.input(PacketIn.SelectNamespace as number as Input, [space]);
      this.#space = space;
    }

    inputIn(space: number, ...input: InputArgs): void {
      this.#select(space);
      super.input(...input);
    }

    pollIn(space: number): Output | 0 {
      this.#select(space);
      return super.poll();
    }

    releasedIn(space: number): number {
      this.#select(space);
      return super.released();
    }

    diagnosticsIn(space: number): Diagnostics {
      this.#select(space);
      return super.diagnostics();
    }

    override input(...input: InputArgs): void {
      this.inputIn(0, ...input);
    }

    override poll(): Output | 0 {
      for (;;) {
        const kind = this.pollIn(0);
        if (kind == Output.Dial) handlers.dialling(this.fields[0]!, this.fields[TRANSPORT_FIELD]!);
        if ((kind as number) != PacketOut.NamespaceOutput) return kind;
        handlers.outputFor(this.fields[0]!);
      }
    }

    override released(): number {
      return this.releasedIn(0);
    }

    override diagnostics(): Diagnostics {
      return this.diagnosticsIn(0);
    }

    override free(): void {
      handlers.freed();
      super.free();
    }
  };
}

/** The machine of a further namespace: a view of the shared one. */
export class NamespaceMachine {
  #lastDiagnostics: Diagnostics | undefined;

  constructor(
    /** Returns undefined after it was freed. */
    readonly shared: () => SharedMachine | undefined,
    readonly space: number,
    credentials: number,
    /** Called after an input: the first client executes the outputs. */
    readonly settle: () => void,
  ) {
    shared()?.inputIn(0, PacketIn.OpenNamespace as number as Input, [space, credentials]);
  }

  input(kind: Input, fields: readonly number[], ids?: readonly string[]): void {
    // The first namespace drives the clock for all.
    if (kind == Input.Tick) return;
    this.shared()?.inputIn(this.space, kind, fields, ids);
    this.settle();
  }

  poll(): Output | 0 {
    return this.shared()?.pollIn(this.space) ?? 0;
  }

  get fields(): Float64Array {
    return this.shared()?.fields ?? new Float64Array();
  }

  get ids(): string[] {
    return this.shared()?.ids ?? [];
  }

  released(): number {
    return this.shared()?.releasedIn(this.space) ?? 0;
  }

  /** The first namespace drives the clock. */
  get deadline(): number {
    return -1;
  }

  diagnostics(): Diagnostics {
    const counts = this.shared()?.diagnosticsIn(this.space);
    return (this.#lastDiagnostics = counts ?? this.#lastDiagnostics!);
  }

  free(): void {}
}
