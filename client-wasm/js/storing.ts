import { Machine } from "./machine.js";
import type { Item } from "./stored.js";

/** A machine whose state can outlive the page. A page that stores nothing does not load this. */
export class StoringMachine extends Machine {
  /** What is to be stored, item by item, as `src/stored.rs` lists them. */
  *stored(): Generator<Item> {
    this.wasm.save();
    for (let at = 0, kind: number; (kind = this.wasm.stored(at)); at++) {
      yield { kind, fields: [...this.fields], ids: this.ids };
    }
  }

  /** Takes up what was stored, before the first connect. */
  restore(items: Iterable<Item>): void {
    for (const { kind, fields, ids } of items) this.wasm.give_back(kind, this.put(fields, ids));
    this.wasm.restore(this.clock.performance.now(), this.clock.Date.now());
  }

  /** Grows whenever there is something else to store. */
  get changes(): number {
    return this.wasm.changes();
  }
}
