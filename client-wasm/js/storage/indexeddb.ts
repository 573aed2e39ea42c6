// The store in IndexedDB, with one slot per tab.
import { runtime as base, type Runtime } from "../client/runtime.js";
import { Persister } from "./persister.js";
import type { Durability, Item, Store } from "./storage_types.js";
import { StoringMachine } from "./storing_machine.js";

/** The runtime of a client that stores its state. */
export const runtime: Runtime = {
  ...base,
  Machine: StoringMachine,
  start(module) {
    if (!WebAssembly.Module.exports(module).some(({ name }) => name == "machine_save")) throw new Error("this one cannot store");
    base.start(module);
  },
};

const DATABASE = "rejoin";
const STATES = "states";

const resultOf = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** How long the browser's storage may take to open, in ms: it can hang, for instance while another page deletes it. */
const OPEN_TIMEOUT = 3_000;

/** The store of a client whose storage does not open: it has stored nothing, and every save fails. */
const unanswered: Store = {
  Persister,
  saved: undefined,
  save: () => Promise.reject(new Error("the storage does not answer")),
  close() {},
};

/** Opens the store of one client; one that does not answer in time is closed when it does. */
export function open(address: string): Promise<Store> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      resolve(unanswered);
    }, OPEN_TIMEOUT);
    openStore(address)
      .then((store) => (isLate ? store.close() : resolve(store)), reject)
      .finally(() => clearTimeout(timer));
  });
}

/**
 * The state of one client in IndexedDB. Each tab has its own slot, which becomes free when the tab has gone: a
 * reload finds its own state, and two tabs never restore the same messages.
 */
async function openStore(address: string): Promise<Store> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STATES);
  const database = await resultOf(opening);
  // An open connection would block whoever deletes the database, and every later open behind that.
  database.onversionchange = () => database.close();
  const [slot, release] = await acquireSlot(address);
  const states = (mode: IDBTransactionMode, durability?: Durability) => database.transaction(STATES, mode, { durability });
  const close = () => {
    database.close();
    release();
  };
  try {
    return {
      Persister,
      saved: (await resultOf(states("readonly").objectStore(STATES).get(slot))) as Item[] | undefined,
      // The transaction throws where the database is deleted or cleared.
      async save(items, durability) {
        const transaction = states("readwrite", durability);
        transaction.objectStore(STATES).put(items, slot);
        // A page that is left receives no more events: a transaction that waits for them is never committed.
        transaction.commit?.();
        return new Promise<void>((resolve, reject) => {
          transaction.oncomplete = () => resolve();
          transaction.onabort = () => reject(transaction.error);
        });
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
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
