import { Item as Kind } from "./names.js";
import type { Item, Store } from "./stored.js";
import type { StoringMachine } from "./storing.js";
import type { Table } from "./table.js";
import type { Clock } from "./types.js";

/** How long the store may take, in ms: what waits for it must not wait for ever. */
const LONGEST_SAVE = 5_000;
/** How long a change that can wait is gathered with others, in ms. */
const GATHER = 100;

/** Brings the machine's state into a store, and back. */
export class Keeper {
  #stored = 0;
  #soon: unknown;
  #failed = false;
  /** The last save has not been answered in its time. */
  #hangs = false;

  constructor(
    readonly store: Store,
    readonly machine: StoringMachine,
    readonly table: Table,
    readonly clock: Clock,
    /** Told once: it goes on as without a store. */
    readonly failed: (error: unknown) => void,
  ) {}

  /** Gives the machine what an earlier page left. */
  restore(): void {
    const items = this.store.saved ?? [];
    for (const { fields, name, given } of items) {
      if (name != undefined) fields[0] = this.table.number(name);
      if (given) fields[1] = this.table.keep(given);
    }
    this.machine.restore(items);
  }

  /** Something may have changed that can wait. */
  look(): void {
    if (this.machine.changes != this.#stored) this.#soon ??= this.clock.setTimeout(() => void this.save(), GATHER);
  }

  /** What waits is stored at once. */
  flush(): void {
    if (this.#soon) void this.save();
  }

  /** Resolves when it is stored, or cannot be. */
  async save(): Promise<void> {
    // It waits for nothing twice: what has changed is stored when it answers again.
    if (this.#hangs) return;
    this.clock.clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#stored = this.machine.changes;
    const items: Item[] = [];
    for (const item of this.machine.stored()) {
      const [name = 0, value = 0] = item.fields;
      if (name) item.name = this.table.name(name);
      if (item.kind == Kind.Send || item.kind == Kind.Kept) item.given = this.table.given(value);
      items.push(item);
    }
    const saving = this.store.save(items);
    let timer: unknown;
    try {
      await Promise.race([
        saving,
        new Promise((_, reject) => {
          timer = this.clock.setTimeout(() => {
            this.#hangs = true;
            const answered = () => (this.#hangs = false);
            saving.then(answered, answered);
            reject(new Error("the storage does not answer"));
          }, LONGEST_SAVE);
        }),
      ]);
    } catch (error) {
      if (!this.#failed) this.failed(error);
      this.#failed = true;
    }
    this.clock.clearTimeout(timer);
  }
}
