// Re-export, so that this entry finds dist/debug.js beside its own script.
export * from "../debug.js";
