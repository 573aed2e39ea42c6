import { initSync } from "../../pkg/rejoin-feed.js";
import { RejoinError } from "../errors.js";
import { once, type Load } from "../loading.js";
import { Feed } from "./feed.js";
import type { FollowOptions } from "./types.js";

/** How the package is loaded is all that differs between a browser and Node. */
export function follower(load: Load) {
  const start = once(
    load,
    (module) => initSync({ module }),
    (cause) => {
      const hint =
        "allow wasm-unsafe-eval in the content security policy; the option wasm says where rejoin-feed.wasm is";
      return new RejoinError("wasm_failed", "the WebAssembly module did not load", hint, { cause });
    },
  );

  /**
   * Reads a room by server-sent events, from `rooms/ROOM/events` below the address. Resolves as soon as it runs: it
   * dials in the background, and works offline. Rejects on bad arguments, and when the WebAssembly module cannot be
   * loaded.
   */
  return async function follow(url: string | URL, options: FollowOptions): Promise<Feed> {
    await start(options.wasm);
    return new Feed(url, options);
  };
}
