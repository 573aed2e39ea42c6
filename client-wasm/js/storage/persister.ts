// Saves the machine's state into a store and restores it. Waits for a stuck store only for a bounded time.
import { Item as Kind } from "../wasm/codes.js";
import type { Durability, Item, Store } from "./storage_types.js";
import type { StoringMachine } from "./storing_machine.js";
import type { HandleTable } from "../wasm/handle_table.js";
import type { Clock } from "../types.js";

/** How long one save may take, in ms. */
const SAVE_TIMEOUT = 5_000;
/** How long changes are collected before a save, in ms. */
const SAVE_DELAY = 100;

/** Saves the machine's state into a store and restores it. */
export class Persister {
  #savedChanges = 0;
  #timer: unknown;
  #failed = false;
  /** The last save has timed out. */
  #hangs = false;
  readonly #ended = new AbortController();

  constructor(
    readonly store: Store,
    readonly machine: StoringMachine,
    readonly handles: HandleTable,
    readonly clock: Clock,
    /** Called once, on the first failure; the client continues without a store. */
    readonly onFailure: (error: unknown) => void,
  ) {
    // A hidden or frozen page may be discarded without a further event.
    const { document } = globalThis as Partial<typeof globalThis>;
    for (const name of ["visibilitychange", "freeze"]) {
      document?.addEventListener(name, () => document.visibilityState == "hidden" && this.flush(), { signal: this.#ended.signal });
    }
  }

  /** Restores what an earlier page stored. */
  restore(): void {
    const items = this.store.saved ?? [];
    for (const { fields, name, given } of items) {
      if (name != undefined) fields[0] = this.handles.number(name);
      if (given) fields[1] = this.handles.add(given);
    }
    this.machine.restore(items);
  }

  /** Schedules a save if the state has changed. */
  saveSoon(): void {
    if (this.machine.changes != this.#savedChanges) this.#timer ??= this.clock.setTimeout(() => void this.save("relaxed"), SAVE_DELAY);
  }

  /** Saves scheduled changes immediately. */
  flush(): void {
    if (this.#timer) void this.save("relaxed");
  }

  /** A last save, after which the store is closed. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.save();
    this.store.close();
  }

  /**
   * Resolves when the state is stored or storing has failed. `relaxed`: it outlives the page and the browser, but not always
   * the computer's power, and takes far less time: of a page that is left the browser drops what waits for an earlier save.
   */
  async save(durability: Durability = "strict"): Promise<void> {
    // While the store is stuck nothing is saved; changes are saved when it responds again.
    if (this.#hangs) return;
    this.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#savedChanges = this.machine.changes;
    const items: Item[] = [];
    for (const item of this.machine.stored()) {
      const [name = 0, value = 0] = item.fields;
      if (name) item.name = this.handles.name(name);
      if (item.kind == Kind.Send || item.kind == Kind.Kept) item.given = this.handles.payload(value);
      items.push(item);
    }
    const saving = this.store.save(items, durability);
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
          }, SAVE_TIMEOUT);
        }),
      ]);
    } catch (error) {
      if (!this.#failed) this.onFailure(error);
      this.#failed = true;
    }
    this.clock.clearTimeout(timer);
  }
}
