import type { Clock } from "../types.js";

/** What carries everything between the sockets and the server, late or not at all. */
export class Network {
  /** What has arrived while the network was silent. */
  #held: (() => void)[] | undefined;

  constructor(
    readonly clock: Clock,
    readonly latency: number,
  ) {}

  /** Lets something arrive on the other side. The order is kept. */
  carry(arrive: () => void): void {
    this.clock.setTimeout(() => (this.#held ? void this.#held.push(arrive) : arrive()), this.latency);
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const arrive of held) this.clock.setTimeout(arrive);
  }
}
