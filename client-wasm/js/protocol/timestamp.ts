// Timestamps as servers of others write them: numbers, or none. Native clients read them the same way
// (client-core/src/messages/json/timestamp.rs).

/** A timestamp in the contract's form, from a text or from the time since 1970; empty where there is none. */
export function timestampOf(given: unknown): string {
  if (typeof given != "number") return (given ?? "") as string;
  // What is no time is shown as it was written.
  if (given < 0 || given >= 2 ** 64) return `${given}`;
  // Seconds, or thousandths, millionths or milliardths of them, whichever is a time that people live in.
  const scale = [1e11, 1e14, 1e17, Infinity].findIndex((end) => given < end);
  // Half a millisecond, so that what cannot be written exactly in base 2 is rounded.
  return new Date((scale ? given / 1e3 ** (scale - 1) : given * 1e3) + (Number.isInteger(given) ? 0 : 0.5)).toISOString();
}

/** Whether that gives a text, of what JSON can hold. */
export const isTimestamp = (given: unknown): boolean => given == undefined || /^[sn]/.test(typeof given);
