// Where machines run, and what speaks to one: there is one such place for each file of the machine, the smaller one and
// the one that can store.
export { Connection } from "./connection.js";
export { Machine, start } from "./machine.js";
