// The store in IndexedDB, with one slot per tab.
import { runtime as base, type Runtime } from "../client/runtime.js";
import { Persister } from "./persister.js";
import type { Item, Store } from "./storage_types.js";
import { StoringMachine } from "./storing_machine.js";

/** The runtime of a client that stores its state. */
export const runtime: Runtime = { ...base, Machine: StoringMachine };

const DATABASE = "rejoin";
const STATES = "states";

const resultOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * The state of one client in IndexedDB. Each tab has its own slot, which becomes free when the tab has gone: a
 * reload finds its own state, and two tabs never restore the same messages.
 */
export async function open(address: string): Promise<Store> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STATES);
  const database = await resultOf(opening);
  const [slot, release] = await acquireSlot(address);
  const states = (mode: IDBTransactionMode) => database.transaction(STATES, mode, { durability: "strict" });
  return {
    Persister,
    saved: (await resultOf(states("readonly").objectStore(STATES).get(slot))) as Item[] | undefined,
    save(items) {
      const transaction = states("readwrite");
      transaction.objectStore(STATES).put(items, slot);
      return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
    },
    close() {
      database.close();
      release();
    },
  };
}

/** The first slot of this address that no other tab holds. */
async function acquireSlot(address: string): Promise<[place: string, release: () => void]> {
  for (let number = 0; ; number++) {
    const slot = `${address} ${number}`;
    const release = await new Promise<(() => void) | undefined>((resolve, reject) => {
      navigator.locks
        .request(`rejoin ${slot}`, { ifAvailable: true }, (lock) =>
          lock ? new Promise<void>((release) => resolve(release)) : resolve(undefined),
        )
        .catch(reject);
    });
    if (release) return [slot, release];
  }
}
