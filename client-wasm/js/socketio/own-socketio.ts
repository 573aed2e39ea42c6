// What a client with events of its own needs beside the rest, with a home of its own. Loaded when the option frames is given.
import { home as base, type Home } from "../home.js";
import { begin } from "../own/begin.js";
import { PartsConnection } from "./own/parts.js";
import { OwnSocketIoSpeech } from "./own/speech.js";

export const home: Home = { ...base, Connection: PartsConnection, start: begin };
export { OwnSocketIoSpeech as Speech };
