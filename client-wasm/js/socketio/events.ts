import { wellFormed } from "../text.js";
import { check } from "../validate.js";
import type { EventName, Options } from "./types.js";

const UP: readonly string[] = ["join_room", "leave_room", "send_message"];
const DOWN: readonly string[] = ["message", "user_joined", "error", "notification"];
/** Names that a server takes for mistakes, and ends the connection. */
export const RESERVED: readonly string[] = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
/** Most names of one map. */
const MOST = 64;

/** What the server calls the events. */
export class EventNames {
  readonly #up = new Map<string, string>();
  readonly #down = new Map<string, string>();

  constructor(names: NonNullable<Options["events"]>) {
    for (const [name, called] of Object.entries(names)) {
      for (const one of Array.isArray(called) ? called : [called]) this.#set(name, one);
    }
    for (const name of DOWN) {
      // Its own name counts as long as it has no other.
      const isRenamed = [...this.#down.values()].includes(name);
      if ((!isRenamed || name == "notification") && !this.#down.has(name)) this.#down.set(name, name);
    }
  }

  #set(name: string, called: unknown): void {
    const isUp = UP.includes(name);
    check(isUp || DOWN.includes(name), "bad_option", `events: "${name}" is no event`, `there are ${[...UP, ...DOWN].join(", ")}`);
    const isGood = typeof called == "string" && called != "" && !RESERVED.includes(called);
    check(isGood, "bad_option", `events: no event can be called "${called}"`, "choose the name that the server's code uses");
    const names = isUp ? this.#up : this.#down;
    check(isUp || !names.has(called as string), "bad_option", `events: "${called}" stands for two events`, "name it once");
    check(this.#up.size + this.#down.size < MOST, "bad_option", `events: more than ${MOST} names`, "leave some out");
    const written = wellFormed(called as string);
    if (isUp) names.set(name, written);
    else names.set(written, name);
  }

  /** What an event that goes up is called. */
  called(name: EventName): string {
    return this.#up.get(name) ?? name;
  }

  /** Whether an event of the application's own cannot be called so. */
  isTaken(name: string): boolean {
    return name == "" || RESERVED.includes(name) || UP.some((known) => this.called(known as EventName) == name) || this.#down.has(name);
  }

  /** What an event that came down is, if it is one of these. */
  meant(called: unknown): string | undefined {
    return this.#down.get(called as string);
  }
}
