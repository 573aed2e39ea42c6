// Carries frames between a fake socket and the fake server, delayed, held or dropped.
import type { Clock } from "../types.js";
import type { FakeSocket } from "./socket.js";

/** Delivers between sockets and server after the latency, or holds deliveries. */
export class Network {
  /** Deliveries held while the network is held. */
  #held: (() => void)[] | undefined;

  constructor(
    readonly clock: Clock,
    readonly latency: number,
  ) {}

  /** Delivers something to the other side, in order. */
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

/** The server's callbacks for a connection. */
export interface ServerSide {
  received(text: string): void;
  /** The client has closed it. */
  closed(code: number): void;
}

/** One connection, between its socket and the server. */
export class Link {
  /** Broken: nothing in flight arrives. */
  #broken = false;
  #server: ServerSide | undefined;

  constructor(
    readonly network: Network,
    readonly socket: FakeSocket,
  ) {}

  /** Delivers the dial to the server, which accepts or refuses it. */
  dial(arrived: () => ServerSide | undefined): void {
    this.network.carry(() => {
      if (this.#broken) return;
      // Scheduled first, so that no frame of the server arrives before the open event.
      const open = () => this.#unbroken(() => this.socket.opened());
      let refused = false;
      this.network.carry(() => (refused ? this.socket.ended(1006, "", false) : open()));
      this.#server = arrived();
      refused = !this.#server;
    });
  }

  toServer(text: string): void {
    this.network.carry(() => this.#unbroken(() => this.#server?.received(text)));
  }

  toClient(text: string): void {
    this.network.carry(() => this.#unbroken(() => this.socket.received(text)));
  }

  closedByClient(opened: boolean, code: number, reason: string): void {
    if (!opened) {
      this.#broken = true;
      this.network.clock.setTimeout(() => this.socket.ended(1006, "", false));
      // If the server has accepted it already, it is notified.
      return this.network.carry(() => this.#leave(1006));
    }
    this.network.carry(() =>
      this.#unbroken(() => {
        this.#leave(code);
        this.network.carry(() => this.#unbroken(() => this.socket.ended(code, reason, true)));
      }),
    );
  }

  /** The server closes it. */
  close(code: number, reason: string): void {
    this.#server = undefined;
    this.network.carry(() => this.#unbroken(() => this.socket.ended(code, reason, true)));
  }

  /** Breaks it; everything in flight is lost. */
  cut(): void {
    this.#server = undefined;
    this.#broken = true;
    this.network.carry(() => this.socket.ended(1006, "", false));
  }

  #leave(code: number): void {
    const acceptor = this.#server;
    this.#server = undefined;
    acceptor?.closed(code);
  }

  #unbroken(arrive: () => void): void {
    if (!this.#broken) arrive();
  }
}
