// The server's words in the body of an HTTP error, bounded in length and time.
import type { FetchResponse } from "../sse/types.js";
import { wellFormed } from "./text.js";

/** Limits of the body: bytes read, time, and characters kept. */
const MAX_BODY = 4096, BODY_TIMEOUT_MS = 500, MAX_MESSAGE = 200;

/** The `message` of a body that is JSON, as far as it arrived in time; empty if there is none. Leaves the rest of the body unread. */
export async function errorMessage({ headers, body }: Pick<FetchResponse, "headers" | "body">): Promise<string> {
  if (!body || !/json/i.test(headers.get("content-type") ?? "json")) return "";
  let timer: unknown;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), BODY_TIMEOUT_MS)));
  const decoder = new TextDecoder();
  let text = "";
  try {
    const reader = body.getReader();
    while (text.length < MAX_BODY) {
      const read = await Promise.race([reader.read(), late]);
      if (!read?.value) break;
      text += decoder.decode(read.value.subarray(0, MAX_BODY), { stream: true });
    }
    const { message } = JSON.parse(text) as { message?: unknown };
    // Control characters are removed.
    return typeof message == "string" ? wellFormed(message.replace(/[\p{Cc}\p{Cf}]/gu, "").slice(0, MAX_MESSAGE)) : "";
  } catch {
    return "";
  } finally {
    clearTimeout(timer as number);
  }
}
