// Holds the token in use and asks the token source for another one. The state machine knows only whether there is a token.
import { wellFormed } from "../util/text.js";
import type { TokenSource } from "../types.js";

/** The result of a token request: a token, a temporary failure, a permanent failure. */
export const enum TokenResult {
  Token = 1,
  Later,
  Never,
}

/** The token in use; the machine knows only whether there is one. */
export class Credentials {
  token: string | undefined;
  #source: TokenSource | undefined;
  #lastRequest = 0;

  /** Where tokens come from; a token that was set stays. */
  set source(source: TokenSource | undefined) {
    this.#source = source;
    if (typeof source == "string") this.token ??= wellFormed(source);
  }

  /** Requests another token for the next dial; without one the dials go on as they are. */
  renew(): void {
    if (typeof this.#source == "function") this.fetch(true, () => {});
  }

  /** Requests a token; the result of an outdated request is ignored. */
  fetch(rejected: boolean, answered: (answer: TokenResult, causeText: string) => void): void {
    const request = ++this.#lastRequest;
    const source = this.#source;
    const resolve = (answer: TokenResult, causeText = "") => request == this.#lastRequest && answered(answer, causeText);
    // A client that fails at once does so in the next task, when it can have listeners.
    // A source that throws synchronously counts as failed.
    const pending = (async () => (typeof source == "function" ? source({ rejected }) : source))();
    pending.then(
      (token) => {
        if (typeof token != "string" || !token) return setTimeout(resolve, 0, TokenResult.Never, "the token function did not give a text");
        if (request == this.#lastRequest) this.token = wellFormed(token);
        return resolve(TokenResult.Token);
      },
      (error) => setTimeout(resolve, 0, error?.permanent === true ? TokenResult.Never : TokenResult.Later, String(error?.message ?? error)),
    );
  }
}
