// Translates the page's network and lifecycle events into hints for the state machine.
import type { Clock } from "../types.js";

/** The numbers of `Input.Hint`. */
export const enum Hint {
  Online = 1,
  Offline = 2,
  NetworkChanged = 3,
  Woke = 4,
}

/** After a freeze longer than this the connection is treated as on a new network. */
const LONG_FREEZE = 30_000;

interface NetworkInformation extends EventTarget {
  type?: string;
}

/**
 * Observes network and lifecycle events where they exist (a worker has
 * only `online`, Node none). Returns a function that stops observing.
 */
export function watchPage(clock: Clock, hint: (hint: Hint) => void, hidden: () => void): () => void {
  const listeners: [target: EventTarget, name: string, listener: (event: any) => void][] = [];
  const on = (target: EventTarget | undefined, name: string, listener: (event: any) => void) => {
    if (!target?.addEventListener) return;
    target.addEventListener(name, listener);
    listeners.push([target, name, listener]);
  };
  const { document, navigator } = globalThis as Partial<typeof globalThis>;
  const network = (navigator as { connection?: NetworkInformation } | undefined)?.connection;
  let type = network?.type;
  let frozen = 0;
  on(globalThis as unknown as EventTarget, "online", () => hint(Hint.Online));
  on(globalThis as unknown as EventTarget, "offline", () => hint(Hint.Offline));
  // The event also fires for every new estimate of the speed.
  on(network, "change", () => type != network?.type && ((type = network?.type), hint(Hint.NetworkChanged)));
  if (document) {
    on(document, "visibilitychange", () => document.visibilityState == "visible" && hint(Hint.Woke));
    on(document, "freeze", () => (frozen = clock.Date.now()));
    on(document, "resume", () => hint(clock.Date.now() - frozen > LONG_FREEZE ? Hint.NetworkChanged : Hint.Woke));
    // An open socket keeps a page out of the back/forward cache, or is cut silently.
    on(globalThis as unknown as EventTarget, "pagehide", hidden);
    on(globalThis as unknown as EventTarget, "pageshow", (event) => event.persisted && hint(Hint.Woke));
  }
  return () => {
    for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
  };
}
