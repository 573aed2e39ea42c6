import type { Home } from "../home.js";
import type { SocketIoSpeech } from "./speech.js";

/** What differs where the application has events of its own. */
export interface Part {
  readonly home: Home;
  readonly Speech: typeof SocketIoSpeech;
}
