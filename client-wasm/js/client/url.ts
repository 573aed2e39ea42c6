// Parses and builds the addresses that a client dials.
import { RejoinError } from "../errors.js";
import type { UrlLike } from "../types.js";

export const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

/** Parses an address; `which` of several, for errors. A token in it is removed and returned separately, so that the address can be logged. */
export function parseUrl(address: string | UrlLike, which = ""): [url: URL, token: string | null] {
  const base = globalThis.location?.href;
  let url: URL;
  try {
    url = new URL(typeof address == "string" ? address : address.href, base);
  } catch (cause) {
    throw new RejoinError("bad_url", `not a URL${which}`, "give wss://host/path", { cause });
  }
  // A relative address, or one copied from a page.
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol) || url.username || url.password) {
    throw new RejoinError("bad_url", `not the address of a room server: ${url.protocol}//${url.host}`, "give wss://host/path, and no user");
  }
  if (base?.startsWith("https:") && url.protocol == "ws:" && !loopback.test(url.hostname)) {
    throw new RejoinError("mixed_content", "a page from https:// may not open a ws:// connection", "use wss://");
  }
  const token = url.searchParams.get("token");
  url.searchParams.delete("token");
  url.hash = "";
  return [url, token];
}

/** The address with its query parameters. */
export function dialUrl(url: URL, token: string | undefined, extended: boolean): string {
  const withParams = new URL(url);
  if (extended) withParams.searchParams.set("ext", "1");
  if (token != undefined) withParams.searchParams.set("token", token);
  return withParams.href;
}

/** The target of a redirect: the same host or an allowed one, and never from TLS to plain text. */
export function redirectTarget(from: URL, to: unknown, allowed: readonly string[]): URL | undefined {
  try {
    const [url] = parseUrl(to as string);
    const secure = url.protocol == "wss:" || from.protocol == "ws:";
    return secure && (url.hostname == from.hostname || allowed.includes(url.hostname)) ? url : undefined;
  } catch {
    return undefined;
  }
}
