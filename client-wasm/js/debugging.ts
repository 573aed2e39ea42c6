// Whether somebody wants to read what happens, and where the part comes from that says it. Knows nothing of what is said.
import { part } from "./part.js";

/** What says what happens. */
export type Debug = typeof import("./debug.js");

/** The part, if it is wanted: by the option, or by who looks at the page (`localStorage.rejoin = "debug"`). */
export type Debugging = (asked: boolean | undefined) => Promise<Debug | undefined>;

/** In a page. Without the part everything works the same. */
export const debugging = (load: () => Promise<Debug>): Debugging => async (asked) => {
  try {
    if (asked ?? localStorage["rejoin"] == "debug") return await part(load);
  } catch {
    // No storage here, or it is blocked, or the part did not load.
  }
  return undefined;
};
