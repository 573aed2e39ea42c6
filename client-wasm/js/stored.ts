import type { Keeper } from "./keeper.js";
import { Item as Kind } from "./names.js";

/** What the application gave to be sent, until the machine lets go of it. */
export type Given = { content?: string; data?: unknown; kind?: string };

/** One piece of the state, with names in the place of this page's numbers. */
export interface Item {
  kind: Kind;
  fields: number[];
  ids: string[];
  /** The room, or the user. */
  name?: string;
  given?: Given;
}

/** Where a client's state is kept. */
export interface Store {
  /** What an earlier run left. */
  readonly saved: Item[] | undefined;
  /** What brings the state there: it comes with the store. */
  readonly Keeper: typeof Keeper;
  save(items: Item[]): Promise<void>;
  close(): void;
}
