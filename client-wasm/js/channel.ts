/** What tabs say to the one that leads. `socket` names a virtual socket among those of all tabs. */
export type Up =
  | { kind: "dial"; socket: string; tab: string }
  | { kind: "text"; socket: string; text: string }
  | { kind: "close"; socket: string; code: number }
  /** So much of what came has been dealt with. */
  | { kind: "took"; socket: string; size: number };

/** What the leader says to virtual sockets. */
export type Down =
  /** It will be answered when the real connection is open. */
  | { kind: "waits" }
  | { kind: "opened" }
  | { kind: "text"; text: string }
  /** A text too: the server's first, which says that it is an extended one. */
  | { kind: "hello"; text: string }
  /** So much of what was sent has left this machine's browser. */
  | { kind: "taken"; size: number }
  | { kind: "end"; code: number; reason: string };

/** What goes over the channel. `from` is the leader, but for what goes up. */
export type Word =
  | { up: Up }
  | { from: string; to: readonly string[]; down: Down }
  /** A new leader is there, or is there no more. */
  | { from: string; leads: boolean };

/** Texts are counted by their length, which is known without encoding them. */
export const sizeOf = (text: string): number => text.length;
