import { abortable } from "../abort.js";
import { Client as RoomClient } from "../client.js";
import type { Debugging } from "../debugging.js";
import { RejoinError } from "../errors.js";
import { home as own, type Home } from "../home.js";
import { Loader } from "../loading.js";
import { part } from "../part.js";
import { begin } from "../reload.js";
import { addresses } from "../settings.js";
import { withTickets } from "../tickets.js";
import { check } from "../validate.js";
import type { UrlLike } from "../types.js";
import { engine } from "./address.js";
import { begin as started, checkOptions } from "./begin.js";
import type { Connect } from "./own/types.js";
import type { Part } from "./part.js";
import type { Address, Options } from "./types.js";

/** Gives the compiled module; `frames`: the one with events of the application's own. */
export type Load = (from: string | UrlLike | undefined, frames: boolean) => Promise<WebAssembly.Module>;

/** Throws that the part for events of the application's own is not there. */
const missing = (cause: unknown) => {
  throw new RejoinError("own_failed", "own-socketio.js did not load", "it has to be beside the script", { cause });
};

/** How the package is loaded is all that differs between a browser and Node. */
export function connector(load: Load, owning: () => Promise<Part>, debugging: Debugging): Connect {
  const loaders = new Map<Home, Loader>();

  return async function connect(url: Address, options: Options = {}): Promise<any> {
    checkOptions(options);
    const { ticketUrl, ...rest } = options.ticketUrl ? withTickets(options, false) : options;
    check(!ticketUrl || !options.auth, "bad_option", "there are both ticketUrl and auth", "leave one of them out");
    addresses(url, engine);
    const connecting = async () => {
      const frames = !!options.frames;
      const apart = frames ? await part(owning).catch(missing) : undefined;
      const home = apart?.home ?? own;
      const file = frames ? "rejoin-socketio-frames.wasm" : "rejoin-socketio.wasm";
      const loader = loaders.get(home) ?? new Loader((from) => load(from, frames), home.start, file);
      loaders.set(home, loader);
      await begin(loader, options.wasm);
      const rooms = (await debugging(options.debug))?.debugged(RoomClient);
      return () => started(url, rest, loader, apart, rooms);
    };
    return (await abortable(connecting(), options.signal))();
  };
}
