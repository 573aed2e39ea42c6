// The `auth` object of CONNECT as the text that the client treats as its token.
import { check } from "../client/arguments.js";
import { jsonOf } from "../util/text.js";
import type { TokenSource } from "../types.js";
import { isObject } from "./ack_result.js";
import type { Auth, Options } from "./types.js";

/** The text of an `auth` object: the client treats it as its token. */
export function authText(auth: string | Auth): string {
  return jsonOf(typeof auth == "string" ? { token: auth } : auth, "auth").json;
}

/** The source of that text; `token` is the one from the address. */
export function authSource({ token = undefined, auth }: Pick<Options, "token" | "auth">, fromAddress: string | null): TokenSource | undefined {
  check(auth == undefined || token == undefined, "bad_option", "there are both token and auth", "put the token into auth");
  const given = auth ?? token ?? fromAddress;
  if (given == undefined) return undefined;
  if (typeof given == "function") {
    return async (why) => {
      const answer: unknown = await given(why);
      if (auth && !isObject(answer)) throw Object.assign(new Error("the function auth did not give an object"), { permanent: true });
      // The client refuses an answer that is no text.
      return auth || (typeof answer == "string" && answer) ? authText(answer as string | Auth) : "";
    };
  }
  check(auth == undefined || isObject(auth), "bad_option", "auth is neither an object nor a function", "e.g. { apiKey }");
  check(isObject(given) || typeof given == "string", "bad_option", "token is neither a text nor a function", "give a string, or a function that gives one");
  return authText(given);
}
