// Parses and builds the addresses of a feed.
import { loopback } from "../client/url.js";
import { RejoinError } from "../errors.js";
import type { UrlLike } from "../types.js";
import { check, text } from "../client/arguments.js";

/** Parses the base address of the rooms. A token in it is removed and returned separately. */
export function parseBaseUrl(address: string | UrlLike): [url: URL, token: string | null] {
  const page = globalThis.location?.href;
  check(text[0](address) || typeof (address as UrlLike)?.href == "string", "bad_url", "the address is no text and no URL", "give https://host/");
  let url: URL;
  try {
    url = new URL(typeof address == "string" ? address : address.href, page);
  } catch (cause) {
    throw new RejoinError("bad_url", "not a URL", "it should look like https://host/", { cause });
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new RejoinError("bad_url", `not the address of a web server: ${url.protocol}//${url.host}`, "give https://host/, and no user");
  }
  if (page?.startsWith("https:") && url.protocol == "http:" && !loopback.test(url.hostname)) {
    throw new RejoinError("mixed_content", "a page from https:// may not read from http://", "use https://");
  }
  const token = url.searchParams.get("token");
  url.searchParams.delete("token");
  url.hash = "";
  return [url, token];
}

/** The address of a room's stream. */
export function streamUrl(base: URL, room: string, history: number): string {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/+$/, "")}/rooms/${encodeURIComponent(room)}/events`;
  if (history >= 0) url.searchParams.set("history", String(history));
  return url.href;
}
