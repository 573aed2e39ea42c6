// What the events say of one room: the outcome of a join, and its messages one by one.
import type { Emitter } from "./emitter.js";
import { hintOf, RejoinError } from "./errors.js";
import { endWith, iterate } from "./iterate.js";
import type { AbortSignalLike, Events, JoinOutcome, Message } from "./types.js";

/** Throws when a room is one no more against the application's will. */
function checkRoom({ room, state, code, message }: Events["room"]): void {
  if (state != "failed" && state != "removed" && state != "refused") return;
  const what = state == "removed" ? "the server has taken the room away" : "the room was not joined";
  throw new RejoinError(code ?? state, `${what}: ${JSON.stringify(room)}: ${message ?? code ?? state}`, hintOf(code ?? "bad_request"));
}

/** The outcome of a join that is asked for after this. `checkAlive` throws when the client waits for nothing any more. */
export async function joinOf(emitter: Emitter<Events>, name: string, checkAlive: () => undefined): Promise<JoinOutcome> {
  let outcome: JoinOutcome = { room: name };
  checkAlive();
  // What an extended server says of it comes right after the room's state.
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
export const messagesOf = (emitter: Emitter<Events>, name: string, signal: AbortSignalLike | undefined): AsyncIterableIterator<Message> =>
  iterate(signal, (take, end) => [
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
  ]);
