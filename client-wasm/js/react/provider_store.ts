// What one provider holds: its client and the rooms that components read. A room is joined while at least one component reads it, the
// client lives while the provider is mounted; both with a grace, so that what is mounted again at once costs the server nothing.
// Touches nothing when it is made: a server that renders a page makes one too.
import type { Client } from "../client.js";
import type { Receipt, SendOptions } from "../types.js";
import { ConnectionStore } from "./connection_store.js";
import { RoomStore, UNKNOWN } from "./room_store.js";
import type { Failure, RoomSnapshot, UseRoomOptions } from "./view.js";

/** Most sends that wait for the client to be made. */
const MOST_EARLY_SENDS = 256;

interface Entry {
  readonly store: RoomStore;
  /** It was this that asked for the room: what the application has joined itself it leaves itself. */
  isOurs: boolean;
  isAsked: boolean;
  leaving?: ReturnType<typeof setTimeout>;
}

/** An error of this entry alone, with a code as the package's other ones. */
const errorOf = (code: string, message: string, hint: string): Error => Object.assign(new Error(message), { name: "RejoinError", code, hint });

export class ProviderStore {
  readonly connection = new ConnectionStore(() => this.#reconnect());
  readonly #rooms = new Map<string, Entry>();
  #mounts = 0;
  #ending: ReturnType<typeof setTimeout> | undefined;
  #client: Client | undefined;
  /** Ends what listens to the client. */
  #detach: (() => void) | undefined;
  /** Another object for each start: what comes of an earlier one counts no more. */
  #start: object | undefined;
  /** Why sends fail that need a client to come. */
  #hopeless: unknown;
  /** Sends that wait for the client. */
  readonly #early: { hand(client: Client): void; fail(error: unknown): void }[] = [];

  constructor(
    readonly connect: () => Client | PromiseLike<Client>,
    /** Whether the client is this store's to close. */
    readonly owns: boolean,
    /** Milliseconds. */
    readonly leaveAfter: number,
  ) {}

  /** The provider is there. Gives what says that it no longer is. */
  mount(): () => void {
    this.#mounts++;
    clearTimeout(this.#ending);
    if (!this.#start) this.#begin();
    return () => {
      if (--this.#mounts) return;
      this.#ending = setTimeout(() => this.#end(), this.leaveAfter);
    };
  }

  #begin(): void {
    const start = (this.#start = {});
    this.#hopeless = undefined;
    this.connection.set({ status: { state: "connecting" } });
    // Not at once: it may throw.
    Promise.resolve()
      .then(this.connect)
      .then(
        (client) => {
          if (this.#start == start) this.#attach(client);
          else if (this.owns) void client.close({ timeout: 0 });
        },
        (error) => {
          if (this.#start != start) return;
          const { code = "failed", message = String(error), hint } = (error ?? {}) as Partial<Failure>;
          this.#start = undefined;
          this.connection.set({ status: { state: "failed" }, error: { code, message, ...(hint && { hint }) } });
          this.#giveUp(error);
        },
      );
  }

  #attach(client: Client): void {
    this.#client = client;
    const tell = () => this.connection.set({ status: client.status, mode: client.mode, client });
    const of = (name: string): RoomStore | undefined => this.#rooms.get(name)?.store;
    const offs = [
      client.on("state", tell),
      client.on("mode", tell),
      client.on("room", (change) => of(change.room)?.changed(change)),
      client.on("joined", (joined) => of(joined.room)?.joined(joined)),
      client.on("presence", (presence) => of(presence.room)?.present(presence)),
      client.on("user_joined", ({ room, user }) => of(room)?.userJoined(user)),
      client.on("user_left", ({ room, user }) => of(room)?.userLeft(user)),
      client.on("gap", (gap) => of(gap.room)?.missed(gap)),
      client.on("message", (message) => of(message.room)?.message(message)),
    ];
    this.#detach = () => offs.forEach((off) => off());
    tell();
    for (const name of this.#rooms.keys()) this.#ask(name);
    for (const { hand } of this.#early.splice(0)) hand(client);
  }

  #end(): void {
    const client = this.#client;
    this.#start = this.#client = undefined;
    this.#detach?.();
    this.connection.set({ status: { state: "closed" } });
    for (const [name, entry] of this.#rooms) {
      entry.isAsked = false;
      // React ends the provider before what is below it.
      if (!this.owns && entry.isOurs && client && client.state != "closed") client.leave(name);
    }
    this.#giveUp(errorOf("closed", "the provider is not mounted any more", "send from a component below it"));
    if (client && this.owns) void client.close();
  }

  #giveUp(error: unknown): void {
    this.#hopeless = error;
    for (const { fail } of this.#early.splice(0)) fail(error);
  }

  #reconnect(): void {
    if (this.#client) this.#client.reconnect();
    else if (this.#mounts && !this.#start) this.#begin();
  }

  /** A component reads the room from now on; gives what ends that. */
  read(name: string, options: UseRoomOptions, listener: () => void): () => void {
    const entry = this.#rooms.get(name) ?? { store: new RoomStore(), isOurs: false, isAsked: false };
    this.#rooms.set(name, entry);
    clearTimeout(entry.leaving);
    // Whoever comes back to a room that was refused asks for it again.
    const { state } = entry.store.snapshot;
    if (entry.store.isUnused && state != "joining" && state != "joined") entry.isAsked = false;
    const end = entry.store.subscribe(options, listener);
    // Later, when all that is mounted with it has said how much history it wants.
    queueMicrotask(() => this.#ask(name));
    return () => {
      end();
      if (entry.store.isUnused) entry.leaving = setTimeout(() => this.#leave(name, entry), this.leaveAfter);
    };
  }

  /** What there is of a room. */
  snapshot(name: string): RoomSnapshot {
    return this.#rooms.get(name)?.store.snapshot ?? UNKNOWN;
  }

  #ask(name: string): void {
    const client = this.#client;
    const entry = this.#rooms.get(name);
    if (!client || !entry || entry.isAsked || entry.store.isUnused) return;
    entry.isAsked = true;
    const state = client.rooms.get(name);
    if (state == "joining" || state == "joined") {
      if (state == "joined") entry.store.adopted();
      else entry.store.changed({ state });
      // The join that said who is there was before this.
      if (client.mode == "extended") client.presence(name);
      return;
    }
    entry.isOurs = true;
    const { history } = entry.store;
    client.join(name, history == undefined ? {} : { history }).catch(({ code, message }) => {
      // Of all else the event `room` says the same.
      if (code == "bad_argument" || code == "bad_option") entry.store.changed({ state: "refused", code: "bad_argument", message });
    });
  }

  #leave(name: string, entry: Entry): void {
    if (!entry.store.isUnused || this.#rooms.get(name) != entry) return;
    this.#rooms.delete(name);
    if (!entry.isOurs || !this.#client || this.#client.state == "closed") return;
    this.#client.leave(name);
  }

  /** Asks for the room again. */
  join(name: string): void {
    const entry = this.#rooms.get(name);
    if (entry) entry.isAsked = false;
    this.#ask(name);
  }

  send(name: string, content: string, options?: SendOptions): Promise<Receipt> {
    const store = this.#rooms.get(name)?.store;
    const hand = (content: string, options?: SendOptions) => this.#hand(name, content, options);
    const sent = store ? store.send(hand, content, options) : hand(content, options);
    // Nobody has to wait for it.
    sent.catch(() => {});
    return sent;
  }

  #hand(name: string, content: string, options?: SendOptions): Promise<Receipt> {
    if (this.#client) return this.#client.send(name, content, options);
    if (this.#hopeless) return Promise.reject(this.#hopeless);
    if (this.#early.length >= MOST_EARLY_SENDS) return Promise.reject(errorOf("queue_full", "too many messages wait for the client", "send less before it is connected"));
    return new Promise((resolve, reject) => {
      this.#early.push({ hand: (client) => resolve(client.send(name, content, options)), fail: reject });
    });
  }

  resend(name: string, key: number): void {
    const { content, data } = this.#rooms.get(name)?.store.takeBack(key) ?? {};
    if (content != undefined) void this.send(name, content, data === undefined ? {} : { data });
  }

  dismiss(name: string, key: number): void {
    this.#rooms.get(name)?.store.dismiss(key);
  }

  markRead(name: string): void {
    this.#rooms.get(name)?.store.markRead();
  }
}

const stores = new WeakMap<Client, ProviderStore>();

/** The store of a client that the application has made: the same for every provider that is given it. */
export function storeOf(client: Client, leaveAfter: number): ProviderStore {
  const store = stores.get(client) ?? new ProviderStore(() => client, false, leaveAfter);
  stores.set(client, store);
  return store;
}
