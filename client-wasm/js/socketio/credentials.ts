import { check } from "../validate.js";
import { jsonOf } from "../text.js";
import type { TokenSource } from "../types.js";
import { isObject } from "./answer.js";
import type { Auth, Options } from "./types.js";

/** The text of an `auth` object: for the client it is the token. */
export function textOf(auth: string | Auth): string {
  return jsonOf(typeof auth == "string" ? { token: auth } : auth, "auth").json;
}

/** Where that text comes from; `token` is that of the address. */
export function source({ token = undefined, auth }: Pick<Options, "token" | "auth">, fromAddress: string | null): TokenSource | undefined {
  check(auth == undefined || token == undefined, "bad_option", "there are both token and auth", "put the token into auth");
  const given = auth ?? token ?? fromAddress;
  if (given == undefined) return undefined;
  if (typeof given == "function") {
    return async (why) => {
      const answer: unknown = await given(why);
      // What is neither the client refuses.
      return (auth ? isObject(answer) : typeof answer == "string" && answer) ? textOf(answer as string | Auth) : "";
    };
  }
  check(auth == undefined || isObject(auth), "bad_option", "auth is neither an object nor a function", "e.g. { apiKey }");
  check(isObject(given) || typeof given == "string", "bad_option", "token is neither a text nor a function", "give a string, or a function that gives one");
  return textOf(given);
}
