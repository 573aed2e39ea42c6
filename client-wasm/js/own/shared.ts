// What frames and events of the application's own have in common.
import { RejoinError } from "../errors.js";
import type { Inside } from "../speech.js";
import { text, type Kind } from "../validate.js";

/** What a frame is kept under. */
export const aKey: Kind = [(key) => text[0](key) && [...key].length <= 64, "a text of up to 64 characters"];

/** With what to do about a reason that only frames have. */
export const explained = (error: Error): Error =>
  (error as RejoinError).code == "dropped" ? Object.assign(error, { hint: "the connection could not take it at once: send what is worth waiting for without volatile" }) : error;

/** Errors of this part are those of the script that has loaded it, whose classes an application knows. */
export function adopt(failed: Inside["failed"]): void {
  const theirs = Object.getPrototypeOf(Object.getPrototypeOf(failed("failed", "closed"))) as object;
  if (theirs != RejoinError.prototype) Object.setPrototypeOf(RejoinError.prototype, theirs);
}
