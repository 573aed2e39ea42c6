// What a client with messages of its own needs beside the rest, with a home of its own. Loaded when the option frames is given.
import type { Home } from "./home.js";
import { begin } from "./own/begin.js";
import { OwnSpeech } from "./own/speech.js";
import { home as base, open } from "./states.js";

export { open };

export const home: Home = { ...base, start: begin, speech: (options) => new OwnSpeech(options) };
