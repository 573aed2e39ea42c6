// The failures that a test has scheduled.
/** How something is refused. */
export interface Refusal {
  /** `rate_limited`, `forbidden`, `room_full`… as the protocol has it. */
  code: string;
  /** Whether a retry may succeed. */
  retry?: boolean;
  /** When to try again, in ms from now. */
  retryAfterMs?: number;
  /** The server's message. */
  message?: string;
}

interface PlannedRefusal extends Refusal {
  type: "join_room" | "send_message";
  room: string | undefined;
  times: number;
}

/** Failures that a test has planned. */
export class Plan {
  readonly #refusals: PlannedRefusal[] = [];
  readonly #cuts: string[] = [];
  /** Dials that are still to be refused. */
  refusedDials = 0;

  refuse(planned: PlannedRefusal): void {
    this.#refusals.push(planned);
  }

  /** Takes the planned refusal of the next frame of this type. */
  refusal(type: PlannedRefusal["type"], room: string): Refusal | undefined {
    const at = this.#refusals.findIndex((planned) => planned.type == type && (planned.room ?? room) == room);
    const found = this.#refusals[at];
    if (found && --found.times <= 0) this.#refusals.splice(at, 1);
    return found;
  }

  cutBefore(type: string): void {
    this.#cuts.push(type);
  }

  /** Whether to break the connection in place of sending this. */
  cuts(type: string): boolean {
    const at = this.#cuts.indexOf(type);
    if (at >= 0) this.#cuts.splice(at, 1);
    return at >= 0;
  }
}
