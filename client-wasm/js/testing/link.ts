import type { Network } from "./network.js";
import type { FakeSocket } from "./socket.js";

/** What a server does with a connection. */
export interface Acceptor {
  heard(text: string): void;
  /** The other side has closed it. */
  closed(code: number): void;
}

/** One connection, between its socket and the server. */
export class Link {
  /** Nothing that is on its way arrives any more. */
  #broken = false;
  #acceptor: Acceptor | undefined;

  constructor(
    readonly network: Network,
    readonly socket: FakeSocket,
  ) {}

  /** Brings the dial to the server, which answers with who takes care of it, or refuses. */
  dial(arrived: () => Acceptor | undefined): void {
    this.network.carry(() => {
      if (this.#broken) return;
      // First, so that nothing the server says at once comes before it.
      const open = () => this.#unbroken(() => this.socket.opened());
      let refused = false;
      this.network.carry(() => (refused ? this.socket.ended(1006, "", false) : open()));
      this.#acceptor = arrived();
      refused = !this.#acceptor;
    });
  }

  toServer(text: string): void {
    this.network.carry(() => this.#unbroken(() => this.#acceptor?.heard(text)));
  }

  toClient(text: string): void {
    this.network.carry(() => this.#unbroken(() => this.socket.heard(text)));
  }

  closedByClient(opened: boolean, code: number, reason: string): void {
    if (!opened) {
      this.#broken = true;
      this.network.clock.setTimeout(() => this.socket.ended(1006, "", false));
      // Should the server have taken it already, it learns of the end.
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
    this.#acceptor = undefined;
    this.network.carry(() => this.#unbroken(() => this.socket.ended(code, reason, true)));
  }

  /** It breaks, and all that is on its way is lost. */
  cut(): void {
    this.#acceptor = undefined;
    this.#broken = true;
    this.network.carry(() => this.socket.ended(1006, "", false));
  }

  #leave(code: number): void {
    const acceptor = this.#acceptor;
    this.#acceptor = undefined;
    acceptor?.closed(code);
  }

  #unbroken(arrive: () => void): void {
    if (!this.#broken) arrive();
  }
}
