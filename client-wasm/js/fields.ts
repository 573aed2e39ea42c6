import type { Reply } from "./errors.js";
import { codes, type Code } from "./names.js";
import type { Position } from "./types.js";

/** A frame as JSON gave it: nothing is certain about it. */
export type Frame = { readonly [field: string]: unknown };

/** JSON without halves of surrogate pairs, which are no text anywhere else: they become U+FFFD, in names and data too. */
export const repaired = (json: string): string =>
  /\\ud/i.test(json) ? json.replace(/\\(?:ud[89ab]..\\ud[c-f]..|(ud[89a-f]..)|.)/gi, (all, half) => (half ? "\ufffd" : all)) : json;

/** The text of a frame: servers in some languages send it as bytes. */
export const textOf = (data: unknown): string => (typeof data == "string" ? data : new TextDecoder().decode(data as ArrayBuffer));

// A lone surrogate is no text anywhere else.
export const isText = (value: unknown): value is string => typeof value == "string" && !/\p{Surrogate}/u.test(value);
export const isId = (value: unknown): value is string => typeof value == "string" && /^[\w-]{1,64}$/.test(value);
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The number of a name in a list; the list's last for one that is not in it, 0 for none. */
export const numberOf = (list: readonly string[], name: unknown): number =>
  isText(name) ? list.indexOf(name) + 1 || list.length : 0;

/** A message's place in its log, if it has one. */
export function position(frame: Frame): Position | undefined {
  const { id, epoch, seq } = frame;
  return isId(id) && isId(epoch) && isCount(seq) ? { epoch, seq, id } : undefined;
}

/** What a refusal says: its words begin with the server's own code, if it has one. */
export const refusalOf = ({ code, message }: Frame): Reply & Frame => {
  const words = isText(message) ? { message } : {};
  if (!isText(code) || !code.trim() || codes.includes(code as Code)) return words;
  const serverCode = [...code].slice(0, 64).join("");
  return { message: serverCode + (message ? `: ${message}` : ""), serverCode };
};
