// The messages that tabs exchange over the BroadcastChannel. Their fields are a contract with tabs of other versions.
/** From a tab to the leader. `socket` identifies a virtual socket among those of all tabs. */
export type ToLeader =
  | { kind: "dial"; socket: string; tab: string }
  | { kind: "text"; socket: string; text: string }
  | { kind: "close"; socket: string; code: number }
  /** Bytes consumed since the last report. */
  | { kind: "took"; socket: string; size: number };

/** From the leader to virtual sockets. */
export type FromLeader =
  /** The dial is accepted and waits for the real connection. */
  | { kind: "waits" }
  | { kind: "opened" }
  | { kind: "text"; text: string }
  /** A text: the `hello` of an extended server. */
  | { kind: "hello"; text: string }
  /** Bytes flushed by the real socket. */
  | { kind: "taken"; size: number }
  | { kind: "end"; code: number; reason: string };

/** A message on the channel. `from` is the leader's tab. */
export type ChannelMessage =
  | { up: ToLeader }
  | { from: string; to: readonly string[]; down: FromLeader }
  /** A tab became the leader, or stopped leading. */
  | { from: string; leads: boolean };

/** Flow control counts characters: their number is known without encoding. */
export const textSize = (text: string): number => text.length;
