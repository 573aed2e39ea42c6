import { initSync } from "../../pkg/rejoin-feed.js";
import { RejoinError } from "../errors.js";
import { Feed } from "./feed.js";
import type { FollowOptions } from "./types.js";

/** Gives the compiled module. */
export type Load = (from: string | URL | undefined) => Promise<WebAssembly.Module>;

let loading: Promise<void> | undefined;

/** How the package is loaded is all that differs between a browser and Node. */
export function follower(load: Load) {
  async function run(from: FollowOptions["wasm"]): Promise<void> {
    try {
      const module =
        from instanceof WebAssembly.Module ? from
        : typeof from == "string" || from instanceof URL || from == undefined ? await load(from)
        : await WebAssembly.compile(from);
      initSync({ module });
    } catch (cause) {
      loading = undefined;
      const hint =
        "allow wasm-unsafe-eval in the content security policy; the option wasm says where rejoin-feed.wasm is";
      throw new RejoinError("wasm_failed", "the WebAssembly module did not load", hint, { cause });
    }
  }

  /**
   * Reads a room by server-sent events, from `rooms/ROOM/events` below the address. Resolves as soon as it runs: it
   * dials in the background, and works offline. Rejects on bad arguments, and when the WebAssembly module cannot be
   * loaded.
   */
  return async function follow(url: string | URL, options: FollowOptions): Promise<Feed> {
    await (loading ??= run(options.wasm));
    return new Feed(url, options);
  };
}
