// Maps the event names of the contract to those of the server, and back.
import { wellFormed } from "../util/text.js";
import { check, describe } from "../client/arguments.js";
import type { EventName, Options } from "./types.js";

const UP: readonly string[] = ["join_room", "leave_room", "send_message"];
const DOWN: readonly string[] = ["message", "user_joined", "error", "notification"];
/** Event names that a server treats as errors and answers by closing the connection. */
export const RESERVED: readonly string[] = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
/** Most names of one map. */
const MAX_NAMES = 64;

/** What the server calls the events. */
export class EventNames {
  readonly #up = new Map<string, string>();
  readonly #down = new Map<string, string>();

  constructor(names: NonNullable<Options["events"]>) {
    for (const [name, wireNames] of Object.entries(names)) {
      for (const one of Array.isArray(wireNames) ? wireNames : [wireNames]) this.#set(name, one);
    }
    for (const name of DOWN) {
      // The contract's own name applies unless it was renamed.
      const isRenamed = [...this.#down.values()].includes(name);
      if ((!isRenamed || name == "notification") && !this.#down.has(name)) this.#down.set(name, name);
    }
  }

  #set(name: string, wireName: unknown): void {
    const isUp = UP.includes(name);
    check(isUp || DOWN.includes(name), "bad_option", `events: "${name}" is no event`, `there are ${[...UP, ...DOWN].join(", ")}`);
    const isGood = typeof wireName == "string" && wireName != "" && !RESERVED.includes(wireName);
    check(isGood, "bad_option", `events: no event can be called ${typeof wireName == "string" ? `"${wireName}"` : describe(wireName)}`, "choose the name that the server's code uses");
    const names = isUp ? this.#up : this.#down;
    check(isUp || !names.has(wireName as string), "bad_option", `events: "${wireName}" stands for two events`, "name it once");
    check(this.#up.size + this.#down.size < MAX_NAMES, "bad_option", `events: more than ${MAX_NAMES} names`, "leave some out");
    const written = wellFormed(wireName as string);
    if (isUp) names.set(name, written);
    else names.set(written, name);
  }

  /** The name on the wire of an event that is sent. */
  wireName(name: EventName): string {
    return this.#up.get(name) ?? name;
  }

  /** Whether an application event must not have this name. */
  isReserved(name: string): boolean {
    return name == "" || RESERVED.includes(name) || UP.some((known) => this.wireName(known as EventName) == name) || this.#down.has(name);
  }

  /** The contract's event with this name on the wire, if there is one. */
  eventOf(wireName: unknown): string | undefined {
    return this.#down.get(wireName as string);
  }
}
