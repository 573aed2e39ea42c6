import { home as base, type Home } from "./home.js";
import { Keeper } from "./keeper.js";
import type { Item, Store } from "./stored.js";
import { StoringMachine } from "./storing.js";

/** Where a machine runs that can store. */
export const home: Home = { ...base, Machine: StoringMachine };

const DATABASE = "rejoin";
const STATES = "states";

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/**
 * The state of one client in IndexedDB. Each tab has a place of its own, which is free again when the tab is gone: a
 * reload finds what it left, and two tabs never take up the same messages.
 */
export async function open(address: string): Promise<Store> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STATES);
  const database = await settled(opening);
  const [place, release] = await takePlace(address);
  const states = (mode: IDBTransactionMode) => database.transaction(STATES, mode, { durability: "strict" });
  return {
    Keeper,
    saved: (await settled(states("readonly").objectStore(STATES).get(place))) as Item[] | undefined,
    save(items) {
      const transaction = states("readwrite");
      transaction.objectStore(STATES).put(items, place);
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

/** The first place at this address that no other tab has. */
async function takePlace(address: string): Promise<[place: string, release: () => void]> {
  for (let number = 0; ; number++) {
    const place = `${address} ${number}`;
    const release = await new Promise<(() => void) | undefined>((resolve, reject) => {
      navigator.locks
        .request(`rejoin ${place}`, { ifAvailable: true }, (lock) =>
          lock ? new Promise<void>((release) => resolve(release)) : resolve(undefined),
        )
        .catch(reject);
    });
    if (release) return [place, release];
  }
}
