// Validates the fields of received frames. Nothing received is trusted before it passed here.
import type { Reply } from "../errors.js";
import { codes, type Code } from "../wasm/codes.js";
import type { Position } from "../types.js";

/** A frame as parsed from JSON, not validated. */
export type Frame = { readonly [field: string]: unknown };

/** Replaces lone surrogates in JSON by U+FFFD, in names and data too: they are not valid text anywhere else. */
export const wellFormedJson = (json: string): string =>
  /\\ud/i.test(json) ? json.replace(/\\(?:ud[89ab]..\\ud[c-f]..|(ud[89a-f]..)|.)/gi, (all, half) => (half ? "\ufffd" : all)) : json;

/** The text of a frame: some servers send it as bytes. */
export const decodeText = (data: unknown): string => (typeof data == "string" ? data : new TextDecoder().decode(data as ArrayBuffer));

// A lone surrogate cannot be encoded as UTF-8.
export const isText = (value: unknown): value is string => typeof value == "string" && !/\p{Surrogate}/u.test(value);
export const isUser = (value: unknown): boolean => isText(value) || Number.isSafeInteger(value);
export const isId = (value: unknown): value is string => typeof value == "string" && /^[\w-]{1,64}$/.test(value);
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The number of a name in a list, from 1; the last number for an unknown name, 0 for none. */
export const codeNumber = (list: readonly string[], name: unknown): number =>
  isText(name) ? list.indexOf(name) + 1 || list.length : 0;

/** A message's position in its log, if it has one. */
export function positionOf(frame: Frame): Position | undefined {
  const { id, epoch, seq } = frame;
  return isId(id) && isId(epoch) && isCount(seq) ? { epoch, seq, id } : undefined;
}

/** The message and the server's own code of a refusal; the message starts with the code. */
export const refusalOf = ({ code, message }: Frame): Reply & Frame => {
  const words = isText(message) ? { message } : {};
  if (!isText(code) || !code.trim() || codes.includes(code as Code)) return words;
  const serverCode = [...code].slice(0, 64).join("");
  return { message: serverCode + (message ? `: ${message}` : ""), serverCode };
};
