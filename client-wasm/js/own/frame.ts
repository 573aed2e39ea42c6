import { isText, repaired } from "../fields.js";
import type { AnyFrame } from "./types.js";

/** The `type` of JSON, if it has one that is a text. */
export function nameOf(data: any): string | undefined {
  const name: unknown = Array.isArray(data) ? undefined : data?.type;
  return isText(name) ? name : undefined;
}

/** A frame that came, or is to go: bytes that are no JSON with a `type` are its data; `undefined` for a text that is no JSON. */
export function frameOf(given: unknown): AnyFrame | undefined {
  const isBinary = typeof given != "string";
  try {
    const text = isBinary ? new TextDecoder("utf-8", { fatal: true }).decode(given as Uint8Array) : given;
    const data: unknown = JSON.parse(repaired(text));
    const name = nameOf(data);
    if (name != undefined) return { name, data };
    if (!isBinary) return { data };
  } catch {
    if (!isBinary) return undefined;
  }
  return { data: new Uint8Array(given as ArrayBuffer) };
}
