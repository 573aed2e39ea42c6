// Validates what an application passes, and names what is wrong. Never prints a text value: it may be a token.
import { RejoinError } from "../errors.js";

/** A rule: a test and its description; for enumerations the values, for lists the rule of the items. */
export type Rule = readonly [fits: (value: any) => boolean, wanted: string, words?: readonly string[], each?: Rule];

/** Fields by name. */
export type Rules = { readonly [name: string]: Rule };

export const text: Rule = [(value) => typeof value == "string" && value != "", "a text that is not empty"];
export const bool: Rule = [(value) => typeof value == "boolean", "true or false"];
export const count: Rule = [(value) => Number.isSafeInteger(value) && value >= 0, "a whole number from 0"];
export const attempts: Rule = [(value) => value === Infinity || (count[0](value) && value > 0), "a whole number from 1"];
export const millis: Rule = [(value) => Number.isFinite(value) && value >= 1, "milliseconds, a number from 1"];
export const wait: Rule = [(value) => value === 0 || millis[0](value), "milliseconds: 0, or a number from 1"];
export const number: Rule = [Number.isFinite, "a number"];
export const func: Rule = [(value) => typeof value == "function", "a function"];
export const object: Rule = [(value) => typeof value == "object" && value != null && !Array.isArray(value), "an object"];
export const signal: Rule = [(value) => typeof value?.addEventListener == "function", "an AbortSignal"];

export const listOf = (each: Rule): Rule => [(value) => Array.isArray(value) && value.every(each[0]), `a list, each of it ${each[1]}`, [], each];
export const either = (...kinds: Rule[]): Rule => [
  (value) => kinds.some(([fits]) => fits(value)),
  kinds.map(([, wanted]) => wanted).join(", or "),
];
export const oneOf = (...words: string[]): Rule => [(value) => words.includes(value), words.map((word) => `"${word}"`).join(" or "), words];

const tokenText: Rule = [text[0], "a text that is not empty, or leave it out to connect without one"];
export const token = either(tokenText, [func[0], "a function that gives one"]);

/** Describes a value without revealing it. */
export const describe = (value: unknown): string =>
  value === "" ? "an empty text"
  : Array.isArray(value) ? "a list"
  : typeof value == "string" ? "a text"
  : Number.isInteger(value) && (value as number) > 0 ? "a number"
  : value === null || /^(num|boo|und)/.test(typeof value) ? String(value)
  : `of the type ${typeof value}`;

export function check(good: boolean, code: "bad_url" | "bad_option" | "bad_argument" | "no_websocket", what: string, hint: string): asserts good {
  if (!good) throw new RejoinError(code, what, hint);
}

/** One argument. */
export function checkArgument(value: any, [fits, wanted, words = [], each]: Rule, what: string, code: "bad_option" | "bad_argument" = "bad_argument"): void {
  if (fits(value)) return;
  if (each) value?.forEach?.((part: unknown, at: number) => checkArgument(part, each, `${what}[${at}]`, code));
  // A value close to an allowed one is not a secret.
  const near = suggestion(value, words);
  check(false, code, `${what} is ${near ? `"${value}"` : describe(value)}`, `give ${wanted}${near}`);
}

/** Checks an object's fields, all of them optional; `what` names it in errors. */
export function checkFields(given: unknown, kinds: Rules, what = "option"): void {
  checkArgument(given, object, what == "option" ? "options" : what, "bad_option");
  for (const name in given as object) {
    const value = (given as { [name: string]: unknown })[name];
    checkName(name, Object.keys(kinds), what, "bad_option");
    if (value !== undefined) checkArgument(value, kinds[name]!, `${what} ${name}`, "bad_option");
  }
}

/** Checks that a name is one of these. */
export function checkName(name: unknown, names: readonly string[], what: string, code: "bad_option" | "bad_argument" = "bad_argument"): void {
  if (names.includes(name as string)) return;
  check(false, code, `there is no ${what} ${typeof name == "string" ? `"${name}"` : describe(name)}`, `there are ${names.join(", ")}${suggestion(name, names)}`);
}

const lettersOf = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, "");

/** Suggests the closest name, by edit distance or containment. */
function suggestion(given: unknown, names: readonly string[]): string {
  const name = typeof given == "string" ? lettersOf(given) : "";
  let found: string | undefined;
  let least = 3;
  for (const candidate of names) {
    const letters = lettersOf(candidate);
    const isPart = name.includes(letters) || (name.length > 2 && letters.includes(name));
    const edits = Math.min(editDistance(name, letters, 2), isPart ? 2 : 3);
    // For a short name one edit is too much.
    if (edits < least && edits < candidate.length / 2) [found, least] = [candidate, edits];
  }
  return found ? `; did you mean "${found}"?` : "";
}

/** The edit distance of two names; more than `most` is not told apart. */
const editDistance = (name: string, known: string, most: number): number =>
  !name || !known || most < 0 ? name.length + known.length
  : name[0] == known[0] ? editDistance(name.slice(1), known.slice(1), most)
  : 1 + Math.min(...[[1, 0], [0, 1], [1, 1]].map(([here, there]) => editDistance(name.slice(here), known.slice(there), most - 1)));
