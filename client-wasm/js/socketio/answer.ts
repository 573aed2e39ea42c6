import { isCount, isId, isText, numberOf, type Frame } from "../fields.js";
import { codes } from "../names.js";

/** What an ack says. */
export type Answer =
  | { done: true; id: string; seq: number; members: string[] | undefined }
  | { done: false; code: number; message: string | undefined };

/** Most names of an answer that are read. */
const MOST_MEMBERS = 1_000;

/** There is no one form: `{ok:true,…}`, `{status:"ok"}`, `(null, result)`, `{error:"…"}`, nothing. */
export function answer([first, second]: readonly unknown[]): Answer {
  if (first === false) return refused({});
  // The error comes first, and there is none.
  return asked(first) ?? (first == undefined ? asked(second) : undefined) ?? done({});
}

function asked(value: unknown): Answer | undefined {
  if (!isObject(value)) return undefined;
  const { error, ok, success, status } = value;
  const isRefusal = (error != undefined && error !== false) || ok === false || success === false || status === "error";
  return isRefusal ? refused(value) : done(value);
}

function done({ id, seq, members }: Frame): Answer {
  const name = typeof id == "number" ? String(id) : id;
  return {
    done: true,
    id: isId(name) ? name : "",
    seq: isCount(seq) ? seq : -1,
    members: Array.isArray(members) ? [...new Set(members.slice(0, MOST_MEMBERS).filter(isText))].sort() : undefined,
  };
}

/** The code in `code`, `error.code` or `error` itself, and the first text that is meant for people. */
function refused({ code, message, error }: Frame): Answer {
  const within = isObject(error) ? error : {};
  const number = numberOf(codes, code ?? within["code"] ?? error) || codes.length;
  const words = [message, within["message"], error].find(isText);
  return { done: false, code: number, message: words == codes[number - 1] ? undefined : words };
}

export const isObject = (value: unknown): value is Frame =>
  typeof value == "object" && value != undefined && !Array.isArray(value);
