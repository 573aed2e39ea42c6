// The part that says what happens, which is beside the script of this entry too.
export * from "../debug.js";
