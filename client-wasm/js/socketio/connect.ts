// connect() of `rejoin/socketio`.
import { abortable } from "../util/abort.js";
import { Client as RoomClient } from "../client/client.js";
import { type LoadDebug, loadPart } from "../client/load_part.js";
import { RejoinError } from "../errors.js";
import { runtime as base, type Runtime } from "../client/runtime.js";
import { Loader } from "../wasm/load_wasm.js";
import { startLoading } from "../wasm/load_retry.js";
import { withTickets } from "../client/tickets.js";
import { check } from "../client/arguments.js";
import type { UrlLike } from "../types.js";
import { checkOptions, createClient as createClient, parseEngineUrls, type ProtocolPart } from "./create.js";
import type { Connect } from "./app_events/types.js";
import type { TransportParts } from "./transports.js";
import type { Address, Options } from "./types.js";

/** Loads the compiled module; `frames`: the one with application events. */
export type Load = (from: string | UrlLike | undefined, frames: boolean) => Promise<WebAssembly.Module>;

/** Throws that the part for application events did not load. */
const missing = (cause: unknown) => {
  throw new RejoinError("own_failed", "own-socketio.js did not load", "connect again to load it again; it has to be beside the script", { cause });
};

/** Loading differs between a browser and Node; everything else is the same. */
export function connector(load: Load, owning: () => Promise<ProtocolPart>, debugging: LoadDebug, transports: TransportParts): Connect {
  const loaders = new Map<Runtime, Loader>();

  return async function connect(url: Address, options: Options = {}): Promise<any> {
    checkOptions(options);
    const { ticketUrl, ...rest } = options.ticketUrl ? withTickets(options, false) : options;
    check(!ticketUrl || !options.auth, "bad_option", "there are both ticketUrl and auth", "leave one of them out");
    parseEngineUrls(url);
    const connecting = async () => {
      const frames = !!options.frames;
      const part = frames ? await loadPart(owning).catch(missing) : undefined;
      const runtime = part?.runtime ?? base;
      const file = frames ? "rejoin-socketio-frames.wasm" : "rejoin-socketio.wasm";
      const loader = loaders.get(runtime) ?? new Loader((from) => load(from, frames), runtime.start, file);
      loaders.set(runtime, loader);
      await startLoading(loader, options.wasm);
      const rooms = (await debugging(options.debug))?.debugged(RoomClient);
      return () => createClient(url, rest, loader, transports, part, rooms);
    };
    return (await abortable(connecting(), options.signal))();
  };
}
