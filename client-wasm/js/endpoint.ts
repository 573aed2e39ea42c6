import { RejoinError } from "./errors.js";
import type { UrlLike } from "./types.js";

export const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

/** Checks an address once. A token in it is taken out and returned apart, so that the address can be shown. */
export function endpoint(address: string | UrlLike): [url: URL, token: string | null] {
  const base = globalThis.location?.href;
  let url: URL;
  try {
    url = new URL(typeof address == "string" ? address : address.href, base);
  } catch (cause) {
    throw new RejoinError("bad_url", "not a URL", "it should look like wss://host/path", { cause });
  }
  // Relative to a page, or copied from one.
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(url.protocol) || url.username || url.password) {
    throw new RejoinError("bad_url", `not the address of a room server: ${url.protocol}//${url.host}`, "use ws:// or wss://, and give a token instead of a user name");
  }
  if (base?.startsWith("https:") && url.protocol == "ws:" && !loopback.test(url.hostname)) {
    throw new RejoinError("mixed_content", "a page from https:// may not open a ws:// connection", "use wss://");
  }
  const token = url.searchParams.get("token");
  url.searchParams.delete("token");
  url.hash = "";
  return [url, token];
}

/** The address to dial. */
export function withQuery(url: URL, token: string | undefined, extended: boolean): string {
  const dialled = new URL(url);
  if (extended) dialled.searchParams.set("ext", "1");
  if (token != undefined) dialled.searchParams.set("token", token);
  return dialled.href;
}

/** Where a server may send us: its own host or an allowed one, never from TLS to plain text. */
export function elsewhere(from: URL, to: unknown, allowed: readonly string[]): URL | undefined {
  try {
    const [url] = endpoint(to as string);
    const secure = url.protocol == "wss:" || from.protocol == "ws:";
    return secure && (url.hostname == from.hostname || allowed.includes(url.hostname)) ? url : undefined;
  } catch {
    return undefined;
  }
}
