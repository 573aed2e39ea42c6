// The state machine of the module that can save and restore its state.
import { Machine } from "../wasm/machine.js";
import type { Item } from "./storage_types.js";

/** A machine whose state can outlive the page. A page that stores nothing does not load this. */
export class StoringMachine extends Machine {
  /** The state to store, item by item; `src/stored.rs` lists the fields. */
  *stored(): Generator<Item> {
    this.wasm.save();
    for (let at = 0, kind: number; (kind = this.wasm.stored(at)); at++) {
      yield { kind, fields: [...this.fields], ids: this.ids };
    }
  }

  /** Restores stored state, before the first connect. */
  restore(items: Iterable<Item>): void {
    for (const { kind, fields, ids } of items) this.wasm.give_back(kind, this.put(fields, ids));
    this.wasm.restore(this.clock.performance.now(), this.clock.Date.now());
  }

  /** Changes whenever the state to store has changed. */
  get changes(): number {
    return this.wasm.changes();
  }
}
