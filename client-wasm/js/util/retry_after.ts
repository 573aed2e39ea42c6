// Refusals by HTTP: those that count as the room server's own, and the header field Retry-After.

/** Refusals of whoever asks, or for now, in the place of a room server's. Others may be about one transport alone. */
export const REFUSALS = [401, 403, 429, 503];

/** What it says in seconds, −1 for nothing: a number, or a date, which is as far away as the answer's own `date` says where a page may see that. */
export function secondsUntil(field: string | null | undefined, date: string | null | undefined): number {
  const value = field ?? "";
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  if (!/GMT\s*$/.test(value)) return -1;
  const seconds = Math.ceil((Date.parse(value) - (Date.parse(date ?? "") || Date.now())) / 1000);
  return Number.isNaN(seconds) ? -1 : Math.max(0, seconds);
}

/** The same in milliseconds, of the fields that this gives. */
export function retryAfterOf(field: (name: string) => string | null | undefined): number | undefined {
  const seconds = secondsUntil(field("retry-after"), field("date"));
  return seconds > 0 ? seconds * 1000 : undefined;
}
