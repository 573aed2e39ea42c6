// Counts what became of messages: who wrote what in a tunnel, what has arrived, what has arrived twice. Pure.

/** The messages of one writer. */
export class Tally {
  #messages = new Map();

  written(key, isInTunnel) {
    this.#messages.set(key, { isInTunnel, mark: "waiting", arrived: 0, counted: false });
  }

  settled(key, mark) {
    const message = this.#messages.get(key);
    if (message) message.mark = mark;
  }

  received(key) {
    const message = this.#messages.get(key);
    if (message) message.arrived += 1;
  }

  /** Of all that was written in tunnels. */
  get tunnel() {
    return sum([...this.#messages.values()].filter(({ isInTunnel }) => isInTunnel));
  }

  /** Of the last tunnel, once it is over; given once. */
  takeFinished() {
    const open = [...this.#messages.values()].filter(({ isInTunnel, counted }) => isInTunnel && !counted);
    const total = sum(open);
    if (!open.length || !total.isDone) return undefined;
    for (const message of open) message.counted = true;
    return total;
  }
}

function sum(messages) {
  const count = (matches) => messages.filter(matches).length;
  return {
    written: messages.length,
    delivered: count(({ arrived }) => arrived > 0),
    twice: count(({ arrived }) => arrived > 1),
    unknown: count(({ mark, arrived }) => mark == "unknown" && !arrived),
    // Nothing more is to come: each has arrived, or will not.
    isDone: messages.every(({ mark, arrived }) => (mark == "acknowledged" ? arrived > 0 : mark != "waiting")),
  };
}

export const inWords = ({ written, delivered, twice, unknown }) =>
  `${written} written in the tunnel, ${delivered} delivered, ${twice} twice${unknown ? `, ${unknown} unknown` : ""}`;

/** Each has arrived, and none twice. */
export const isGood = ({ written, delivered, twice }) => delivered == written && !twice;
