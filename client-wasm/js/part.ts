// Loads the scripts of the package that are files of their own. Knows nothing of what is in them.

/**
 * `load`, which asks for another address once it has failed. For the same one Chromium up to version 150 has the same
 * failure until the page is loaded again; the fragment makes it another one to the browser, and not to the server.
 */
export function afresh<T>(load: () => Promise<T>): () => Promise<T> {
  return () =>
    load().catch((error) => {
      // The browser's own words. Bundlers that load their chunks otherwise have other ones, and fetch them again themselves.
      const [, address] = /module: (http[^#]+)/.exec(error) ?? [];
      if (address) load = () => import(`${address}#${Math.random()}`);
      throw error;
    });
}

/** Loads a part of the package; a blip of the network costs it a moment. */
export async function part<T>(load: () => Promise<T>): Promise<T> {
  const again = afresh(load);
  const later = (delay: number) => () => new Promise((resolve) => setTimeout(resolve, delay)).then(again);
  return again().catch(later(250)).catch(later(1000));
}
