// Makes text and data fit to be sent: well-formed, plain JSON, and measured in bytes.
import { RejoinError } from "../errors.js";
import { MAX_DATA_LEVELS } from "../wasm/codes.js";

/** A lone surrogate cannot be written as UTF-8, and a server refuses the frame that has one: it becomes U+FFFD. */
export const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd");

/** How many bytes a well-formed text has as UTF-8. Not every environment has a TextEncoder. */
export function byteLength(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    // Of a pair each half is two bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value == "object" && value != null && (!levels || Object.values(value).some((part) => isDeeper(part, levels - 1)));

/** Throws for what JSON would leave out or change. */
function kept(this: any, key: string, value: unknown): unknown {
  // Of a Map there would be `{}`, and `null` of an invalid Date.
  const isHole = value === undefined && Array.isArray(this);
  const isKept = !isHole && /t (Obj|Array]|Str|Boo|Nu|Und)/.test({}.toString.call(value)) && (value ?? this[key]) === value;
  if (!isKept || (typeof value == "number" && !Number.isFinite(value))) throw new TypeError(`it has no ${this[key]}`);
  return value;
}

/**
 * A copy of `value` as JSON holds it, and its text: what the application changes afterwards changes nothing that is to
 * be sent. `what` names it in the error.
 */
export function jsonOf<T>(value: T, what: string): { copy: T; json: string } {
  let cause: unknown;
  try {
    // Lone surrogates are the only escapes that begin so.
    const json = JSON.stringify(value, kept).replace(/\\(ud[89a-f]..|.)/g, (all, code) => (code[1] ? "\ufffd" : all));
    const copy = JSON.parse(json) as T;
    if (!isDeeper(copy, MAX_DATA_LEVELS)) return { copy, json };
    cause = new RangeError(`more than ${MAX_DATA_LEVELS} levels`);
  } catch (error) {
    cause = error;
  }
  const why = String((cause as Error)?.message ?? cause).split("\n")[0];
  throw new RejoinError("bad_argument", `${what} cannot be written as JSON: ${why}`, "give plain data, at most 64 levels", { cause });
}
