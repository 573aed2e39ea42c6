// Entry for browsers (dist/fallback.js).
import { loadPart, withFreshUrl } from "../client/load_part.js";
import { chooser } from "./choose.js";

const streams = withFreshUrl(() => import("./streams.js"));

// Over HTTP/1.1 a browser has six connections to a host, for all pages together.
export const webSocketOrEvents = chooser({ load: () => loadPart(streams), maxRoomsHttp: 4 });

export * from "./exports.js";
