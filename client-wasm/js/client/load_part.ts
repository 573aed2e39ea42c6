// Loads the scripts of the package that are separate files. Knows nothing of their contents.
import { START_TIMEOUT, withTimeout } from "../wasm/load_wasm.js";

/** The tracing part. */
export type DebugPart = typeof import("../debug.js");

/** Loads the tracing part if it is enabled: by the option, or by localStorage.rejoin = "debug". */
export type LoadDebug = (asked: boolean | undefined) => Promise<DebugPart | undefined>;

/** For pages. Without the part everything else works the same. */
export const debugLoader = (load: () => Promise<DebugPart>): LoadDebug => async (asked) => {
  try {
    if (asked ?? localStorage["rejoin"] == "debug") return await loadPart(load);
  } catch {
    // No storage here, or it is blocked, or the part did not load.
  }
  return undefined;
};

/**
 * Wraps `load` to use a fresh address after a failure. Up to version 150 Chromium caches the failure of an
 * address until the page is reloaded; the fragment makes a new address for the browser, not for the server.
 */
export function withFreshUrl<T>(load: () => Promise<T>): () => Promise<T> {
  return () =>
    load().catch((error) => {
      // The browser's message. Bundlers with their own loaders have other messages, and reload chunks themselves.
      const [, address] = /module: (http[^#]+)/.exec(error) ?? [];
      if (address) load = () => import(`${address}#${Math.random()}`);
      throw error;
    });
}

/** Loads a part of the package, with two retries. One that does not come in time has failed: the next call loads it again. */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  const again = withFreshUrl(load);
  const later = (delay: number) => () => new Promise((resolve) => setTimeout(resolve, delay)).then(again);
  return withTimeout(again().catch(later(250)).catch(later(1000)), START_TIMEOUT);
}
