// Derives the outcome of a join, and the messages of one room, from a client's events.
import type { Emitter } from "../util/emitter.js";
import { hintOf, RejoinError } from "../errors.js";
import { endWith, iterate } from "./iterate.js";
import type { AbortSignalLike, Events, JoinOutcome, Message } from "../types.js";

/** Throws if a room was lost without a leave. */
function checkRoom({ room, state, code, message }: Events["room"]): void {
  if (state != "failed" && state != "removed" && state != "refused") return;
  const what = state == "removed" ? "the server has taken the room away" : "the room was not joined";
  throw new RejoinError(code ?? state, `${what}: ${JSON.stringify(room)}: ${message ?? code ?? state}`, hintOf(code ?? "bad_request"));
}

/** Waits for the outcome of the next join. `checkAlive` throws if the client has ended. */
export async function awaitJoin(emitter: Emitter<Events>, name: string, checkAlive: () => undefined): Promise<JoinOutcome> {
  let outcome: JoinOutcome = { room: name };
  checkAlive();
  // On an extended server `joined` follows directly after the room's state.
  const off = emitter.on("joined", (joined) => joined.room == name && (outcome = joined));
  try {
    await emitter.until({
      room(change) {
        if (change.room != name) return undefined;
        checkRoom(change);
        if (change.state == "left") throw new RejoinError("left", "the room was left before it was joined", "join it again");
        return change.state == "joined" || undefined;
      },
      state: checkAlive,
    });
    return outcome;
  } finally {
    off();
  }
}

/** The messages of a room from now on. */
export const iterateMessages = (emitter: Emitter<Events>, name: string, signal: AbortSignalLike | undefined, status: Events["state"]): AsyncIterableIterator<Message> =>
  iterate(signal, (take, end) => (endWith(status, end), [
    emitter.on("message", (message) => message.room == name && take(message)),
    emitter.on("room", (change) => {
      if (change.room != name) return;
      try {
        checkRoom(change);
        if (change.state == "left") end();
      } catch (error) {
        end(error);
      }
    }),
    emitter.on("state", (status) => endWith(status, end)),
  ]));
