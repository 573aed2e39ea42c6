// Reads the header field Retry-After.

/** Its milliseconds, if it is a number of seconds. */
export function retryAfterOf(field: string | null | undefined): number | undefined {
  const [seconds] = /^\s*\d+\s*$/.exec(field ?? "") ?? [];
  return seconds ? +seconds * 1000 : undefined;
}
