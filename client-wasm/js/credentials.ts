import { wellFormed } from "./text.js";
import type { TokenSource } from "./types.js";

/** What the machine is told of an answer: a token, a failure that may pass, one that will not. */
export const enum Answer {
  Token = 1,
  Later,
  Never,
}

/** The token in use. The machine only knows whether there is one. */
export class Credentials {
  token: string | undefined;
  #asked = 0;

  constructor(readonly source: TokenSource | undefined) {
    if (typeof source == "string") this.token = wellFormed(source);
  }

  /** Asks the source; an answer that another question has overtaken is not told. */
  ask(rejected: boolean, answered: (answer: Answer, words: string) => void): void {
    const question = ++this.#asked;
    const { source } = this;
    const tell = (answer: Answer, words = "") => question == this.#asked && answered(answer, words);
    // A source that throws at once is one that fails.
    const asking = (async () => (typeof source == "function" ? source({ rejected }) : source))();
    asking.then(
      (token) => {
        if (typeof token != "string" || !token) return tell(Answer.Never, "the token function did not give a text");
        if (question == this.#asked) this.token = wellFormed(token);
        return tell(Answer.Token);
      },
      (error) => tell(error?.permanent === true ? Answer.Never : Answer.Later, String(error?.message ?? error)),
    );
  }
}
