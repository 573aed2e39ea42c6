import type { Mode, RoomState } from "./names.js";
import type { Told } from "./told.js";
import type { Events } from "./types.js";

/** What the events have told so far, and no more: the getters never run ahead of the listeners. */
export class Known {
  state: Events["state"] = { state: "idle" };
  mode: Mode | undefined;
  ready: Mode | undefined;
  readonly rooms = new Map<string, RoomState>();

  learn([name, event]: Told): void {
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
