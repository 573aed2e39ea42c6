// One room as components read it: messages, members and outgoing messages. Every list is bounded. Sends no request:
// provider_store.ts joins and leaves.
import type { Events, Message, Receipt, SendOptions } from "../types.js";
import { Notifier } from "./notifier.js";
import type { OutgoingMessage, RoomMessage, RoomSnapshot, UseRoomOptions } from "./types.js";

/** The default of the option limit. */
const LIMIT = 200;
/** Most messages of this page that are listed as outgoing: the oldest that wait for nothing give way. */
const MAX_OUTGOING = 500;

/** A room of which nothing is known yet: also what a server renders. */
export const UNKNOWN: RoomSnapshot = { state: "joining", messages: [], outgoing: [], unread: 0 };

/** Passes a message to the client. */
export type Send = (content: string, options: SendOptions | undefined) => Promise<Receipt>;

let lastKey = 0;

export class RoomStore {
  #now: RoomSnapshot = UNKNOWN;
  #snapshot: RoomSnapshot = UNKNOWN;
  readonly #notifier = new Notifier(() => (this.#snapshot = this.#now));
  readonly #options = new Set<UseRoomOptions>();
  /** Replayed messages of the first join, which nobody has missed. */
  #history: number | undefined;
  /** The ids that sends of this page were acknowledged with, by their key. */
  readonly #acked = new Map<number, string>();

  /** No component reads it. */
  get isUnused(): boolean {
    return this.#notifier.isEmpty;
  }

  /** The most history that a reader wants. */
  get history(): number | undefined {
    return this.#largest("history");
  }

  /** The same object until a change was published. */
  get snapshot(): RoomSnapshot {
    return this.#snapshot;
  }

  subscribe(options: UseRoomOptions, listener: () => void): () => void {
    this.#options.add(options);
    const end = this.#notifier.add(listener);
    return () => {
      end();
      this.#options.delete(options);
    };
  }

  #largest(name: keyof UseRoomOptions): number | undefined {
    const numbers = [...this.#options].map((options) => options[name]).filter((number) => number != undefined);
    return numbers.length ? Math.max(...numbers) : undefined;
  }

  #set(change: Partial<RoomSnapshot>): void {
    this.#now = { ...this.#now, ...change };
    this.#notifier.change();
  }

  /** The room's state changed, by an event or an error of `join`. */
  changed({ state, code, message, willRetry }: Omit<Events["room"], "room" | "code"> & { code?: string }): void {
    const refusal = code || message ? { refusal: { code, message, willRetry: !!willRetry } as RoomSnapshot["refusal"] } : undefined;
    const { refusal: _, ...rest } = this.#now;
    this.#now = rest;
    this.#set({ state, ...refusal });
  }

  /** The page was a member before this store listened: replayed messages were missed. */
  joinedEarlier(): void {
    this.#history = 0;
    this.changed({ state: "joined" });
  }

  joined({ replayed, members, memberCount }: Events["joined"]): void {
    this.#history = this.#history == undefined ? replayed : 0;
    this.present({ members, memberCount });
  }

  present({ members, memberCount }: Pick<Events["presence"], "members" | "memberCount">): void {
    this.#set({ members, memberCount: memberCount ?? members?.length });
  }

  userJoined(user: string): void {
    const { members, memberCount } = this.#now;
    if (members?.includes(user)) return;
    this.#set({ members: members && [...members, user], memberCount: memberCount == undefined ? undefined : memberCount + 1 });
  }

  userLeft(user: string): void {
    const { members, memberCount } = this.#now;
    if (members && !members.includes(user)) return;
    this.#set({ members: members?.filter((member) => member != user), memberCount: memberCount && memberCount - 1 });
  }

  missed(gap: Events["gap"]): void {
    // Acknowledged messages may be inside the gap: their copies never arrive.
    this.#set({ gap, outgoing: this.#now.outgoing.filter(({ key }) => !this.#acked.delete(key)) });
  }

  message(message: Message): void {
    const { gap, ...rest } = this.#now;
    const own = this.#sentBy(message);
    const isHistory = message.replay && this.#history! > 0;
    if (isHistory) this.#history!--;
    const listed: RoomMessage = { ...message, key: ++lastKey, ...(gap && { gap }) };
    const limit = this.#largest("limit") ?? LIMIT;
    this.#now = rest;
    this.#set({
      messages: limit > 0 ? [...rest.messages, listed].slice(-limit) : [],
      unread: rest.unread + (own || isHistory ? 0 : 1),
      ...(own && { outgoing: rest.outgoing.filter((one) => one != own) }),
    });
  }

  /** The outgoing message of which this is the room's copy. A plain server has no ids: messages with equal text are interchangeable. */
  #sentBy({ content, position }: Message): OutgoingMessage | undefined {
    return this.#now.outgoing.find((one) => {
      if (!position) return (one.status == "sent" || one.status == "waiting") && one.content == content;
      if (this.#acked.get(one.key) != position.id) return false;
      return this.#acked.delete(one.key);
    });
  }

  /** Sends with `send`, and lists what becomes of it. */
  send(send: Send, content: string, options: SendOptions | undefined): Promise<Receipt> {
    const key = ++lastKey;
    const data = options?.data;
    const sent = send(content, options);
    this.#bound();
    this.#set({ outgoing: [...this.#now.outgoing, { key, content, status: "waiting", ...(data !== undefined && { data }) }] });
    sent.then(
      (receipt) => {
        const isListed = receipt.status == "acked" && this.#now.messages.some(({ position }) => position?.id == receipt.id);
        if (isListed) {
          this.dismiss(key);
          if (this.#now.unread) this.#set({ unread: this.#now.unread - 1 });
          return;
        }
        if (receipt.status == "acked" && this.#find(key)) this.#acked.set(key, receipt.id);
        this.#mark(key, { status: "sent" });
      },
      (error) => this.#mark(key, { status: error?.outcome == "unknown" ? "unknown" : "failed", error }),
    );
    return sent;
  }

  /** The text and the data of an outgoing message that failed, or may have, which is listed no more. */
  takeBack(key: number): OutgoingMessage | undefined {
    const found = this.#find(key);
    if (found?.status != "failed" && found?.status != "unknown") return undefined;
    this.dismiss(key);
    return found;
  }

  dismiss(key: number): void {
    this.#acked.delete(key);
    if (this.#find(key)) this.#set({ outgoing: this.#now.outgoing.filter((one) => one.key != key) });
  }

  markRead(): void {
    if (this.#now.unread) this.#set({ unread: 0 });
  }

  #find(key: number): OutgoingMessage | undefined {
    return this.#now.outgoing.find((one) => one.key == key);
  }

  #mark(key: number, change: Partial<OutgoingMessage>): void {
    if (this.#find(key)) this.#set({ outgoing: this.#now.outgoing.map((one) => (one.key == key ? { ...one, ...change } : one)) });
  }

  #bound(): void {
    const { outgoing } = this.#now;
    if (outgoing.length < MAX_OUTGOING) return;
    const given = outgoing.find(({ status }) => status != "waiting") ?? outgoing[0]!;
    this.dismiss(given.key);
  }
}
