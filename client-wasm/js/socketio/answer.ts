import { isCount, isId, isText, numberOf, type Frame } from "../fields.js";
import { codes } from "../names.js";

// Whether an ack says yes or no: the table of client-core/src/socketio/json/answer.rs, with whose vectors it is tested.

/** What an ack says; `answer` is all of it, absent where it is empty. */
export type Answer =
  | { done: true; id: string; seq: number; members: string[] | undefined; answer?: unknown }
  | { done: false; code: number; message: string | undefined; retry: boolean; retryAfterMs: number; answer?: unknown };

/** Most names of an answer that are read. */
const MOST_MEMBERS = 1_000;
/** The largest answer that is shown as it is, and so many characters of a larger one. */
const LARGEST_SHOWN = 16 << 10;
const SHOWN = 1_000;
/** Most characters of a refusal's words. */
const LONGEST_WORDS = 1_000;
/** Levels below an answer at which words and codes are looked for. */
const DEEPEST = 3;

const words = (list: string): readonly string[] => list.split(" ");
const SUCCESS = words("ok okay success successful succeeded sent delivered done accepted acknowledged ack created yes true");
const FAILURE = words(
  "error err fail failed failure rejected refused denied forbidden unauthorized unauthenticated invalid not_found timeout nack nok no false exception aborted",
);
const ERRORS = words("error err errors exception");
const VERDICTS = words("status statusCode code type result");
const IDS = words("id _id messageId message_id");
const INSIDE = words("data result message payload");
const WORDS = words("message msg reason detail description error err errors exception statusText");
const CODES = words("code status statusCode error err exception type result");

/** Reads the arguments of an ack; `textIsError`: one that is nothing but a text is a refusal. */
export function answer(given: readonly unknown[], textIsError = false): Answer {
  const rest = given.length ? { answer: bounded(given.length == 1 ? given[0] : given) } : {};
  const [first, second] = given;
  const result = verdict(given, textIsError);
  if (result != "no") {
    const { seq, members } = isObject(result) ? result : {};
    return {
      done: true,
      id: (result && idOf(result)) || "",
      seq: isCount(seq) ? seq : -1,
      members: Array.isArray(members) ? [...new Set(members.slice(0, MOST_MEMBERS).filter(isText))].sort() : undefined,
      ...rest,
    };
  }
  const code = codeOf(first, 0) || codeOf(second, 0) || codes.length;
  const message = wordsOf(first, 0) ?? wordsOf(second, 0);
  const isCode = message == codes[code - 1];
  const field = (name: string) => own(first, name) ?? own(second, name);
  const after = field("retryAfterMs");
  return {
    done: false,
    code,
    message: isCode || message == undefined ? undefined : [...message].slice(0, LONGEST_WORDS).join(""),
    retry: field("retry") === true,
    retryAfterMs: isCount(after) ? after : -1,
    ...rest,
  };
}

/** What is kept for being shown: too much of it is cut, and then a text. */
export function bounded(value: unknown): unknown {
  const json = JSON.stringify(value);
  return json.length <= LARGEST_SHOWN ? value : `${[...json.slice(0, 2 * SHOWN)].slice(0, SHOWN).join("")}…`;
}

/** What describes what was done, if anything does. */
function verdict(given: readonly unknown[], textIsError: boolean): Frame | "no" | undefined {
  const [first, second] = given;
  const of = (value: unknown) => (saysNo(value) ? "no" : isObject(value) ? value : undefined);
  if (given.length < 2) return textIsError && typeof first == "string" && !isSuccess(first) ? "no" : of(first);
  if (isSuccess(first)) return isObject(second) ? of(second) : undefined;
  if (saysYes(first)) return first;
  if (first === false && saysYes(second)) return second;
  return "no";
}

/** No error, where an error could stand. */
function isSuccess(value: unknown): boolean {
  if (typeof value == "number") return value == 0 || (Number.isInteger(value) && value >= 200 && value < 300);
  if (typeof value != "string") return value == undefined || value === true;
  const text = value.trim().toLowerCase();
  return !text || SUCCESS.includes(text) || (httpStatus(text) ?? 600) < 300;
}

/** Nothing, where an error could stand in a field. */
const isEmpty = (value: unknown): boolean => !value || (Array.isArray(value) && !value.length);

function saysNo(value: unknown): boolean {
  if (!isObject(value)) return value === false;
  if (ERRORS.some((name) => !isEmpty(own(value, name)))) return true;
  const said = flag(value);
  if (said != undefined) return !said;
  const name = own(value, "name");
  return (typeof name == "string" && /(Error|Exception)$/.test(name)) || VERDICTS.some((name) => isFailure(own(value, name)));
}

/** An object that says yes in so many words, or names what was done. */
function saysYes(value: unknown): value is Frame {
  if (!isObject(value) || saysNo(value)) return false;
  const isSaid = (name: string) => own(value, name) != undefined && isSuccess(own(value, name));
  return flag(value) === true || VERDICTS.some(isSaid) || !!idOf(value);
}

/** What `ok` or `success` says. */
function flag(value: Frame): boolean | undefined {
  for (const said of [own(value, "ok"), own(value, "success")]) {
    if (typeof said == "boolean" || typeof said == "number") return !!said;
    if (typeof said == "string") return !FAILURE.includes(said.toLowerCase());
  }
  return undefined;
}

function isFailure(value: unknown): boolean {
  if (typeof value == "number") return value < 0 || (value >= 400 && value < 600);
  if (typeof value != "string") return false;
  const text = value.trim().toLowerCase();
  return knownCode(text) > 0 || FAILURE.includes(text) || (httpStatus(text) ?? 0) >= 400;
}

/** A text that is the number of an HTTP status, from 200 on. */
const httpStatus = (text: string): number | undefined => (/^[2-5]\d\d$/.test(text) ? Number(text) : undefined);

function idOf(value: Frame): string | undefined {
  const here = (value: unknown) => {
    for (const name of IDS) {
      const id = own(value, name);
      const text = typeof id == "number" ? String(id) : id;
      if (isId(text)) return text;
    }
    return undefined;
  };
  return here(value) ?? INSIDE.map((name) => here(own(value, name))).find((id) => id);
}

/** The first text that is meant for people. */
function wordsOf(value: unknown, depth: number): string | undefined {
  if (typeof value == "string") return isText(value) && value ? value : undefined;
  if (depth >= DEEPEST || typeof value != "object") return undefined;
  if (Array.isArray(value)) return wordsOf(value[0], depth + 1);
  for (const name of WORDS) {
    const found = wordsOf(own(value, name), depth + 1);
    if (found != undefined) return found;
  }
  return undefined;
}

/** The number of a code of the contract but `other`, or 0. */
const knownCode = (text: string): number => numberOf(codes, text) % codes.length;

/** Why, as far as that is a code of the contract or an HTTP status: its number, or 0. */
function codeOf(value: unknown, depth: number): number {
  if (typeof value == "string") {
    const known = knownCode(value.toLowerCase());
    const status = httpStatus(value);
    return known || (status ? codeOf(status, depth) : 0);
  }
  if (typeof value == "number") return knownCode(byStatus[value] ?? (value >= 500 && value < 600 ? "internal" : ""));
  if (depth >= DEEPEST || !isObject(value)) return 0;
  return CODES.map((name) => codeOf(own(value, name), depth + 1)).find((code) => code) ?? 0;
}

const byStatus: { readonly [status: number]: string } = {
  400: "bad_request", 422: "bad_request", 401: "forbidden", 403: "forbidden", 413: "too_large", 429: "rate_limited",
  408: "overloaded", 425: "overloaded", 503: "overloaded", 504: "overloaded",
};

/** A field of an object's own. */
const own = (value: unknown, name: string): unknown => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);

export const isObject = (value: unknown): value is Frame =>
  typeof value == "object" && value != undefined && !Array.isArray(value);
