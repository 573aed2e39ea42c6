import { has_frames } from "../../pkg/rejoin.js";
import { start } from "../machine.js";

/** Makes the compiled module the one that machines run in. Throws for one that knows no frames. */
export function begin(module: WebAssembly.Module): void {
  const knows = WebAssembly.Module.exports(module).some(({ name }) => name == "has_frames");
  if (knows) start(module);
  // Another one may be running here already.
  if (!knows || !has_frames()) throw new Error("this one has no frames");
}
