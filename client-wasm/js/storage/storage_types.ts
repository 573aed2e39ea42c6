// The stored format and the interface of a store. The fields of Item are the stored format: they do not change.
import type { Persister } from "./persister.js";
import { Item as Kind } from "../wasm/codes.js";

/** The payload of a send, kept until the machine releases it. */
export type Payload = { content?: string; data?: unknown; kind?: string };

/** One item of the state, with names in place of this page's handles. */
export interface Item {
  kind: Kind;
  fields: number[];
  ids: string[];
  /** The room, or the user. */
  name?: string;
  given?: Payload;
}

/** What a stored state outlives beside the page: `strict`, also a loss of power. */
export type Durability = "strict" | "relaxed";

/** A store for the state of one client. */
export interface Store {
  /** What an earlier page stored. */
  readonly saved: Item[] | undefined;
  /** The class that saves the state; loaded with the store. */
  readonly Persister: typeof Persister;
  save(items: Item[], durability: Durability): Promise<void>;
  close(): void;
}
