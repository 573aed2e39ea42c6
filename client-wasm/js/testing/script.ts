/** How something is refused. */
export interface Refusal {
  /** `rate_limited`, `forbidden`, `room_full`… as the protocol has it. */
  code: string;
  /** Whether it may succeed later, as it is. */
  retry?: boolean;
  /** When to try again, in ms from now. */
  retryAfterMs?: number;
  /** The server's words. */
  message?: string;
}

interface Planned extends Refusal {
  type: "join_room" | "send_message";
  room: string | undefined;
  times: number;
}

/** What a test wants to go wrong. */
export class Script {
  readonly #refusals: Planned[] = [];
  readonly #cuts: string[] = [];
  /** Dials that are still to be refused. */
  refusedDials = 0;

  refuse(planned: Planned): void {
    this.#refusals.push(planned);
  }

  /** What is planned for the next frame of this type, taken off the plan. */
  refusal(type: Planned["type"], room: string): Refusal | undefined {
    const at = this.#refusals.findIndex((planned) => planned.type == type && (planned.room ?? room) == room);
    const found = this.#refusals[at];
    if (found && --found.times <= 0) this.#refusals.splice(at, 1);
    return found;
  }

  cutBefore(type: string): void {
    this.#cuts.push(type);
  }

  /** Whether the connection is to break instead of saying this. */
  cuts(type: string): boolean {
    const at = this.#cuts.indexOf(type);
    if (at >= 0) this.#cuts.splice(at, 1);
    return at >= 0;
  }
}
