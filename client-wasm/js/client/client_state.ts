// The state that getters show. Changes only when the matching event is emitted.
import type { Mode, RoomState } from "../wasm/codes.js";
import type { NamedEvent } from "../protocol/event_decoder.js";
import type { Events } from "../types.js";

/** The state according to the emitted events: getters never run ahead of listeners. */
export class ClientState {
  state: Events["state"] = { state: "idle" };
  mode: Mode | undefined;
  ready: Mode | undefined;
  readonly rooms = new Map<string, RoomState>();

  apply([name, event]: NamedEvent): void {
    if (name == "state") {
      this.state = event;
      this.ready = undefined;
      if (event.state != "connected") this.mode = undefined;
    } else if (name == "mode") {
      this.mode = event;
    } else if (name == "ready") {
      this.mode = this.ready = event;
    } else if (name == "room") {
      if (event.state == "left" || event.state == "refused") this.rooms.delete(event.room);
      else this.rooms.set(event.room, event.state);
    }
  }
}
