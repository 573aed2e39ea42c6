// One room of the fake server: log, producers and presence.
import type { Clock } from "../types.js";
import type { Connection } from "./connection.js";
import { Producers } from "./producers.js";
import { Log } from "./log.js";

/** Presence of one user in a room. */
interface UserPresence {
  connections: Set<Connection>;
  /** Entered by the test, without a connection. */
  scripted: boolean;
  /** Timer that removes the user after the last connection was lost. */
  grace: unknown;
}

/** How long a lost user stays present, in ms. */
const GRACE = 15_000;

/** A room: its log, its producers and its users. */
export class Room {
  readonly #people = new Map<string, UserPresence>();
  readonly log: Log;
  readonly producers: Producers;

  constructor(
    readonly name: string,
    epoch: string,
    dedupeWindow: number,
    readonly clock: Clock,
  ) {
    this.log = new Log(epoch);
    this.producers = new Producers(dedupeWindow);
  }

  get members(): string[] {
    return [...this.#people.keys()].sort();
  }

  get connections(): Connection[] {
    return [...this.#people.values()].flatMap(({ connections }) => [...connections]).sort((a, b) => a.number - b.number);
  }

  /** Adds a user and announces it if it is new. `by`: the connection; undefined for users of the test. */
  enter(user: string, by?: Connection): void {
    const known = this.#people.get(user);
    const person = known ?? { connections: new Set(), scripted: false, grace: undefined };
    const wasHere = person.scripted || person.connections.size > 0;
    this.#people.set(user, person);
    this.clock.clearTimeout(person.grace);
    person.grace = undefined;
    if (by) person.connections.add(by);
    else person.scripted = true;
    if (wasHere) return;
    for (const other of this.connections) {
      // An extended connection was not told that the user left.
      if (other.user != user && !(known && other.extended)) other.send({ type: "user_joined", roomId: this.name, userId: user });
    }
  }

  /** Removes a user: immediately if `isDeliberate`, else after the grace period. */
  leave(user: string, isDeliberate: boolean, by?: Connection): void {
    const person = this.#people.get(user);
    if (!person) return;
    if (by) person.connections.delete(by);
    else person.scripted = false;
    if (person.scripted || person.connections.size > 0) return;
    this.clock.clearTimeout(person.grace);
    if (isDeliberate) this.#gone(user);
    else person.grace = this.clock.setTimeout(() => this.#gone(user), GRACE);
  }

  /** Removes all users and timers. */
  clear(): void {
    for (const { grace } of this.#people.values()) this.clock.clearTimeout(grace);
    this.#people.clear();
  }

  #gone(user: string): void {
    this.#people.delete(user);
    for (const other of this.connections) {
      if (other.extended) other.send({ type: "user_left", roomId: this.name, userId: user });
    }
  }
}
