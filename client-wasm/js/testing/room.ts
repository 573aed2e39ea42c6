import type { Clock } from "../types.js";
import type { Connection } from "./connection.js";
import { Lines } from "./lines.js";
import { Log } from "./log.js";

/** Somebody in a room. */
interface Attendance {
  connections: Set<Connection>;
  /** Somebody of the test's, without a connection. */
  scripted: boolean;
  /** Without either: until when a return goes unnoticed. */
  grace: unknown;
}

/** How long somebody who was lost counts as being there. */
const GRACE = 15_000;

/** A room: its log, its lines of sends, and who is in it. */
export class Room {
  readonly #people = new Map<string, Attendance>();
  readonly log: Log;
  readonly lines: Lines;

  constructor(
    readonly name: string,
    epoch: string,
    dedupeWindow: number,
    readonly clock: Clock,
  ) {
    this.log = new Log(epoch);
    this.lines = new Lines(dedupeWindow);
  }

  get members(): string[] {
    return [...this.#people.keys()].sort();
  }

  get connections(): Connection[] {
    return [...this.#people.values()].flatMap(({ connections }) => [...connections]).sort((a, b) => a.number - b.number);
  }

  /** Lets somebody in; the others are told if that is news to them. `by` is nobody for the test's own people. */
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
      // Who hears of departures has not heard of this one.
      if (other.user != user && !(known && other.extended)) other.tell({ type: "user_joined", roomId: this.name, userId: user });
    }
  }

  /** Somebody goes: at once if that was said, after the grace otherwise. */
  leave(user: string, said: boolean, by?: Connection): void {
    const person = this.#people.get(user);
    if (!person) return;
    if (by) person.connections.delete(by);
    else person.scripted = false;
    if (person.scripted || person.connections.size > 0) return;
    this.clock.clearTimeout(person.grace);
    if (said) this.#gone(user);
    else person.grace = this.clock.setTimeout(() => this.#gone(user), GRACE);
  }

  /** Nobody is expected back. */
  clear(): void {
    for (const { grace } of this.#people.values()) this.clock.clearTimeout(grace);
    this.#people.clear();
  }

  #gone(user: string): void {
    this.#people.delete(user);
    for (const other of this.connections) {
      if (other.extended) other.tell({ type: "user_left", roomId: this.name, userId: user });
    }
  }
}
