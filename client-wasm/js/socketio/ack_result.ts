// Classifies an ack as success or refusal: the table of client-core/src/socketio/json/answer.rs, whose test vectors it passes.
import { isCount, isId, isText, codeNumber, type Frame } from "../protocol/validate.js";
import { codes } from "../wasm/codes.js";

/** The outcome of an ack; `answer` is the whole answer, absent if it is empty. */
export type AckResult =
  | { done: true; id: string; seq: number; members: string[] | undefined; answer?: unknown }
  | { done: false; code: number; message: string | undefined; retry: boolean; retryAfterMs: number; answer?: unknown };

/** Most members that are read from an answer. */
const MAX_MEMBERS = 1_000;
/** The largest answer that is kept whole; of a larger one this many characters are kept. */
const MAX_ANSWER = 16 << 10;
const PREVIEW = 1_000;
/** Most characters of a refusal's message. */
const MAX_MESSAGE = 1_000;
/** Levels of an answer that are searched for messages and codes. */
const MAX_DEPTH = 3;

const wordList = (list: string): readonly string[] => list.split(" ");
const SUCCESS = wordList("ok okay success successful succeeded sent delivered done accepted acknowledged ack created yes true");
const FAILURE = wordList(
  "error err fail failed failure rejected refused denied forbidden unauthorized unauthenticated invalid not_found timeout nack nok no false exception aborted",
);
const ERRORS = wordList("error err errors exception errorMessage errorCode isError hasError");
/** What refuses with `false`, and with `true`. */
const YES = wordList("status accepted delivered");
const NO = wordList("rejected denied failed");
const VERDICTS = wordList("status statusCode code type result");
const IDS = wordList("id _id messageId message_id");
const NESTED = wordList("data result message payload");
const MESSAGES = wordList("message msg reason detail description error err errors exception statusText errorMessage");
const CODES = wordList("code status statusCode error err exception type result errorCode");

/** Reads the arguments of an ack; `textIsError`: one that is nothing but a text is a refusal. */
export function parseAck(given: readonly unknown[], textIsError = false): AckResult {
  const rest = given.length ? { answer: bounded(given.length == 1 ? given[0] : given) } : {};
  const [first, second] = given;
  const result = verdict(given, textIsError);
  if (result != "no") {
    const { seq, members } = isObject(result) ? result : {};
    return {
      done: true,
      id: (result && idOf(result)) || "",
      seq: isCount(seq) ? seq : -1,
      members: Array.isArray(members) ? [...new Set(members.slice(0, MAX_MEMBERS).map((it) => (typeof it == "number" ? `${it}` : it)).filter(isText))].sort() : undefined,
      ...rest,
    };
  }
  const code = codeOf(first, 0) || codeOf(second, 0) || codes.length;
  const message = messageOf(first, 0) ?? messageOf(second, 0);
  const isCode = message == codes[code - 1];
  const field = (name: string) => ownField(first, name) ?? ownField(second, name);
  const after = field("retryAfterMs");
  return {
    done: false,
    code,
    message: isCode || message == undefined ? undefined : [...message].slice(0, MAX_MESSAGE).join(""),
    retry: field("retry") === true,
    retryAfterMs: isCount(after) ? after : -1,
    ...rest,
  };
}

/** Limits a value for display: a large one is truncated to a string. */
export function bounded(value: unknown): unknown {
  const json = JSON.stringify(value);
  return json.length <= MAX_ANSWER ? value : `${[...json.slice(0, 2 * PREVIEW)].slice(0, PREVIEW).join("")}…`;
}

/** The object that describes the success, if there is one, or a refusal. */
function verdict(given: readonly unknown[], textIsError: boolean): Frame | "no" | undefined {
  const [first, second] = given;
  const of = (value: unknown) => (isRefusal(value) ? "no" : isObject(value) ? value : undefined);
  if (given.length < 2) return textIsError && typeof first == "string" && !isSuccess(first) ? "no" : of(first);
  if (isSuccess(first)) return isObject(second) ? of(second) : undefined;
  if (isConfirmation(first)) return first;
  if (first === false && isConfirmation(second)) return second;
  return "no";
}

/** A value that means success in the position of an error. */
function isSuccess(value: unknown): boolean {
  if (typeof value == "number") return value == 0 || (Number.isInteger(value) && value >= 200 && value < 300);
  if (typeof value != "string") return value == undefined || value === true;
  const text = value.trim().toLowerCase();
  return !text || SUCCESS.includes(text) || (httpStatus(text) ?? 600) < 300;
}

/** A value that means no error in an error field. */
const isEmpty = (value: unknown): boolean => !value || (Array.isArray(value) && !value.length);

function isRefusal(value: unknown): boolean {
  if (!isObject(value)) return value === false;
  if (ERRORS.some((name) => !isEmpty(ownField(value, name)))) return true;
  const flag = okFlag(value);
  if (flag != undefined) return !flag;
  const is = (names: readonly string[], said: boolean) => names.some((name) => ownField(value, name) === said);
  if (is(YES, false) || is(NO, true)) return true;
  const name = ownField(value, "name");
  return (typeof name == "string" && /(Error|Exception)$/.test(name)) || VERDICTS.some((name) => isFailure(ownField(value, name)));
}

/** An object that states success explicitly, or names what was created. */
function isConfirmation(value: unknown): value is Frame {
  if (!isObject(value) || isRefusal(value)) return false;
  const isSuccessField = (name: string) => ownField(value, name) != undefined && isSuccess(ownField(value, name));
  return okFlag(value) === true || VERDICTS.some(isSuccessField) || !!idOf(value);
}

/** The value of `ok` or `success`. */
function okFlag(value: Frame): boolean | undefined {
  for (const flag of [ownField(value, "ok"), ownField(value, "success")]) {
    if (typeof flag == "boolean" || typeof flag == "number") return !!flag;
    if (typeof flag == "string") return !FAILURE.includes(flag.toLowerCase());
  }
  return undefined;
}

function isFailure(value: unknown): boolean {
  if (typeof value == "number") return value < 0 || (value >= 400 && value < 600);
  if (typeof value != "string") return false;
  const text = value.trim().toLowerCase();
  return PREFIX.test(text) || knownCode(text) > 0 || FAILURE.includes(text) || (httpStatus(text) ?? 0) >= 400;
}

/** What often stands before a code. */
const PREFIX = /^e(rr)?_/;

/** A string that is an HTTP status, from 200 on. */
const httpStatus = (text: string): number | undefined => (/^[2-5]\d\d$/.test(text) ? Number(text) : undefined);

function idOf(value: Frame): string | undefined {
  const here = (value: unknown) => {
    for (const name of IDS) {
      const id = ownField(value, name);
      const text = typeof id == "number" ? String(id) : id;
      if (isId(text)) return text;
    }
    return undefined;
  };
  return here(value) ?? NESTED.map((name) => here(ownField(value, name))).find((id) => id);
}

/** The first message for humans. */
function messageOf(value: unknown, depth: number): string | undefined {
  if (typeof value == "string") return isText(value) && value ? value : undefined;
  if (depth >= MAX_DEPTH || typeof value != "object") return undefined;
  if (Array.isArray(value)) return messageOf(value[0], depth + 1);
  for (const name of MESSAGES) {
    const found = messageOf(ownField(value, name), depth + 1);
    if (found != undefined) return found;
  }
  return undefined;
}

/** The number of a code of the contract but `other`, or 0. */
const knownCode = (text: string): number => codeNumber(codes, text) % codes.length;

/** The number of the contract's code, from a code or an HTTP status; 0 if there is none. */
function codeOf(value: unknown, depth: number): number {
  if (typeof value == "string") {
    const known = knownCode(value.toLowerCase().replace(PREFIX, ""));
    const status = httpStatus(value);
    return known || (status ? codeOf(status, depth) : 0);
  }
  if (typeof value == "number") return knownCode(byStatus[value] ?? (value >= 500 && value < 600 ? "internal" : ""));
  if (depth >= MAX_DEPTH || !isObject(value)) return 0;
  return CODES.map((name) => codeOf(ownField(value, name), depth + 1)).find((code) => code) ?? 0;
}

const byStatus: { readonly [status: number]: string } = {
  400: "bad_request", 422: "bad_request", 401: "forbidden", 403: "forbidden", 413: "too_large", 429: "rate_limited",
  408: "overloaded", 425: "overloaded", 503: "overloaded", 504: "overloaded",
};

/** An own field of an object. */
const ownField = (value: unknown, name: string): unknown => (isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined);

export const isObject = (value: unknown): value is Frame =>
  typeof value == "object" && value != undefined && !Array.isArray(value);
