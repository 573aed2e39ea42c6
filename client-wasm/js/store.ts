// What a client that stores needs beside the rest. Loaded when the option persist is given.
export { home, open } from "./states.js";
