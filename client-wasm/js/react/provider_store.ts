// The store of one provider: its client and the rooms that components read. A room is joined while at least one component reads it, the
// client lives while the provider is mounted; both end with a delay, so that remounting costs the server nothing.
// The constructor has no side effects: server rendering constructs one too.
import type { Client } from "../client/client.js";
import type { Receipt, SendOptions } from "../types.js";
import { ConnectionStore } from "./connection_store.js";
import { RoomStore, UNKNOWN } from "./room_store.js";
import type { Failure, RoomSnapshot, UseRoomOptions } from "./types.js";

/** Most sends that wait for the client to be made. */
const MAX_QUEUED_SENDS = 256;

interface Entry {
  readonly store: RoomStore;
  /** Whether this store joined the room: rooms that the application has joined itself it also leaves itself. */
  isOwned: boolean;
  isJoined: boolean;
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
  /** A new object for each start: results of earlier starts are ignored. */
  #start: object | undefined;
  /** Why sends fail that wait for a client. */
  #failure: unknown;
  /** Sends that wait for the client. */
  readonly #queued: { send(client: Client): void; fail(error: unknown): void }[] = [];

  constructor(
    readonly connect: () => Client | PromiseLike<Client>,
    /** Whether the client is this store's to close. */
    readonly owns: boolean,
    /** Milliseconds. */
    readonly leaveAfter: number,
  ) {}

  /** Mounts the provider. Returns the unmount function. */
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
    this.#failure = undefined;
    this.connection.set({ status: { state: "connecting" } });
    // In a microtask: it may throw.
    Promise.resolve()
      .then(this.connect)
      .then((client: Client | undefined) => {
        if (typeof client?.on != "function") throw errorOf("bad_argument", "the prop connect gave no client", "have it return what connect() of rejoin gives");
        return client;
      })
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
    const publish = () => this.connection.set({ status: client.status, mode: client.mode, client });
    const roomStore = (name: string): RoomStore | undefined => this.#rooms.get(name)?.store;
    const offs = [
      client.on("state", publish),
      client.on("mode", publish),
      client.on("room", (change) => roomStore(change.room)?.changed(change)),
      client.on("joined", (joined) => roomStore(joined.room)?.joined(joined)),
      client.on("presence", (presence) => roomStore(presence.room)?.present(presence)),
      client.on("user_joined", ({ room, user }) => roomStore(room)?.userJoined(user)),
      client.on("user_left", ({ room, user }) => roomStore(room)?.userLeft(user)),
      client.on("gap", (gap) => roomStore(gap.room)?.missed(gap)),
      client.on("message", (message) => roomStore(message.room)?.message(message)),
    ];
    this.#detach = () => offs.forEach((off) => off());
    publish();
    for (const name of this.#rooms.keys()) this.#joinIfRead(name);
    for (const { send: hand } of this.#queued.splice(0)) hand(client);
  }

  #end(): void {
    const client = this.#client;
    this.#start = this.#client = undefined;
    this.#detach?.();
    this.connection.set({ status: { state: "closed" } });
    for (const [name, entry] of this.#rooms) {
      entry.isJoined = false;
      // React ends the provider before what is below it.
      if (!this.owns && entry.isOwned && client && client.state != "closed") client.leave(name);
    }
    this.#giveUp(errorOf("closed", "the provider is not mounted any more", "send from a component below it"));
    if (client && this.owns) void client.close();
  }

  #giveUp(error: unknown): void {
    this.#failure = error;
    for (const { fail } of this.#queued.splice(0)) fail(error);
  }

  #reconnect(): void {
    if (this.#client) this.#client.reconnect();
    else if (this.#mounts && !this.#start) this.#begin();
  }

  /** Subscribes a component to a room; returns the function that unsubscribes. */
  read(name: string, options: UseRoomOptions, listener: () => void): () => void {
    const entry = this.#rooms.get(name) ?? { store: new RoomStore(), isOwned: false, isJoined: false };
    this.#rooms.set(name, entry);
    clearTimeout(entry.leaving);
    // Remounting a refused room joins it again.
    const { state } = entry.store.snapshot;
    if (entry.store.isUnused && state != "joining" && state != "joined") entry.isJoined = false;
    const end = entry.store.subscribe(options, listener);
    // Deferred until all components of this render have registered their history.
    queueMicrotask(() => this.#joinIfRead(name));
    return () => {
      end();
      if (entry.store.isUnused) entry.leaving = setTimeout(() => this.#leave(name, entry), this.leaveAfter);
    };
  }

  /** The snapshot of a room. */
  snapshot(name: string): RoomSnapshot {
    return this.#rooms.get(name)?.store.snapshot ?? UNKNOWN;
  }

  #joinIfRead(name: string): void {
    const client = this.#client;
    const entry = this.#rooms.get(name);
    if (!client || !entry || entry.isJoined || entry.store.isUnused) return;
    entry.isJoined = true;
    const state = client.rooms.get(name);
    if (state == "joining" || state == "joined") {
      if (state == "joined") entry.store.joinedEarlier();
      else entry.store.changed({ state });
      // The members were reported before this store listened.
      if (client.mode == "extended") client.presence(name);
      return;
    }
    entry.isOwned = true;
    const { history } = entry.store;
    client.join(name, history == undefined ? {} : { history }).catch(({ code, message }) => {
      // All other failures are reported by the event `room`.
      if (code == "bad_argument" || code == "bad_option") entry.store.changed({ state: "refused", code: "bad_argument", message });
    });
  }

  #leave(name: string, entry: Entry): void {
    if (!entry.store.isUnused || this.#rooms.get(name) != entry) return;
    this.#rooms.delete(name);
    if (!entry.isOwned || !this.#client || this.#client.state == "closed") return;
    this.#client.leave(name);
  }

  /** Asks for the room again. */
  join(name: string): void {
    const entry = this.#rooms.get(name);
    if (entry) entry.isJoined = false;
    this.#joinIfRead(name);
  }

  send(name: string, content: string, options?: SendOptions): Promise<Receipt> {
    const store = this.#rooms.get(name)?.store;
    const hand = (content: string, options?: SendOptions) => this.#handOver(name, content, options);
    const sent = store ? store.send(hand, content, options) : hand(content, options);
    // The caller may ignore the outcome.
    sent.catch(() => {});
    return sent;
  }

  #handOver(name: string, content: string, options?: SendOptions): Promise<Receipt> {
    if (this.#client) return this.#client.send(name, content, options);
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#queued.length >= MAX_QUEUED_SENDS) return Promise.reject(errorOf("queue_full", "too many messages wait for the client", "send less before it is connected"));
    return new Promise((resolve, reject) => {
      this.#queued.push({ send: (client) => resolve(client.send(name, content, options)), fail: reject });
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
