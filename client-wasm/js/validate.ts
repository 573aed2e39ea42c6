// Checks what an application passes, and says by name what is wrong with it. Never prints a text: it may be a token.
import { RejoinError } from "./errors.js";

/** What a value has to be: a test, and words for a hint. All there are of some, and of a list the kind of its parts. */
export type Kind = readonly [fits: (value: any) => boolean, wanted: string, words?: readonly string[], each?: Kind];

/** Fields by name. */
export type Kinds = { readonly [name: string]: Kind };

export const text: Kind = [(value) => typeof value == "string" && value != "", "a text that is not empty"];
export const truth: Kind = [(value) => typeof value == "boolean", "true or false"];
export const count: Kind = [(value) => Number.isSafeInteger(value) && value >= 0, "a whole number from 0"];
export const attempts: Kind = [(value) => value == Infinity || (count[0](value) && value > 0), "a whole number from 1"];
export const millis: Kind = [(value) => Number.isFinite(value) && value >= 0, "milliseconds, a number from 0"];
export const number: Kind = [Number.isFinite, "a number"];
export const call: Kind = [(value) => typeof value == "function", "a function"];
export const object: Kind = [(value) => typeof value == "object" && value != null && !Array.isArray(value), "an object"];
export const signal: Kind = [(value) => typeof value?.addEventListener == "function", "an AbortSignal"];

export const listOf = (each: Kind): Kind => [(value) => Array.isArray(value) && value.every(each[0]), `a list, each of it ${each[1]}`, [], each];
export const either = (...kinds: Kind[]): Kind => [
  (value) => kinds.some(([fits]) => fits(value)),
  kinds.map(([, wanted]) => wanted).join(", or "),
];
export const word = (...words: string[]): Kind => [(value) => words.includes(value), words.map((word) => `"${word}"`).join(" or "), words];

const tokenText: Kind = [text[0], "a text that is not empty, or leave it out to connect without one"];
export const token = either(tokenText, [call[0], "a function that gives one"]);

/** What a value is, without what may be a secret in it. */
const described = (value: unknown): string =>
  value === "" ? "an empty text"
  : Array.isArray(value) ? "a list"
  : typeof value == "string" ? "a text"
  : Number.isInteger(value) && (value as number) >= 0 ? "a number"
  : value === null || /^(num|boo|und)/.test(typeof value) ? String(value)
  : `of the type ${typeof value}`;

export function check(good: boolean, code: "bad_url" | "bad_option" | "bad_argument" | "no_websocket", what: string, hint: string): asserts good {
  if (!good) throw new RejoinError(code, what, hint);
}

/** One argument. */
export function argument(value: any, [fits, wanted, words = [], each]: Kind, what: string, code: "bad_option" | "bad_argument" = "bad_argument"): void {
  if (fits(value)) return;
  if (each) value?.forEach?.((part: unknown, at: number) => argument(part, each, `${what}[${at}]`, code));
  // What is near to one of the words is no secret.
  const near = meant(value, words);
  check(false, code, `${what} is ${near ? `"${value}"` : described(value)}`, `give ${wanted}${near}`);
}

/** An object with these fields, all of which may be absent; `what` names it. */
export function fields(given: unknown, kinds: Kinds, what = "option"): void {
  argument(given, object, what == "option" ? "options" : what, "bad_option");
  for (const name in given as object) {
    const value = (given as { [name: string]: unknown })[name];
    known(name, Object.keys(kinds), what, "bad_option");
    if (value !== undefined) argument(value, kinds[name]!, `${what} ${name}`, "bad_option");
  }
}

/** That there is such a name. */
export function known(name: unknown, names: readonly string[], what: string, code: "bad_option" | "bad_argument" = "bad_argument"): void {
  if (names.includes(name as string)) return;
  check(false, code, `there is no ${what} ${typeof name == "string" ? `"${name}"` : described(name)}`, `there are ${names.join(", ")}${meant(name, names)}`);
}

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, "");

/** Asks for the name that was meant, if one differs by a slip of the hand only, or is a part. */
function meant(given: unknown, names: readonly string[]): string {
  const name = typeof given == "string" ? plain(given) : "";
  let found: string | undefined;
  let least = 3;
  for (const known of names) {
    const letters = plain(known);
    const isPart = name.includes(letters) || (name.length > 2 && letters.includes(name));
    const slips = Math.min(distance(name, letters), isPart ? 2 : 3);
    // Of a short name a slip is much.
    if (slips < least && slips < known.length / 2) [found, least] = [known, slips];
  }
  return found ? `; did you mean "${found}"?` : "";
}

/** How many letters have to be added, left out or changed. */
function distance(name: string, known: string): number {
  let row = Array.from(known, (_, at) => at + 1);
  for (let i = 0; i < name.length; i++) {
    let left = i + 1;
    let corner = i;
    row = row.map((above, at) => {
      left = Math.min(above + 1, left + 1, corner + +(name[i] != known[at]));
      corner = above;
      return left;
    });
  }
  return row.at(-1)!;
}
