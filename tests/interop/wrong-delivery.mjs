// Ways to break the base contract. Each is what one careless change to a server would do; the strict client
// must notice every one, or it checks nothing.

const MODES = {
  "extra-field": (deliver) => (ws, frame) => deliver(ws, { ...frame, id: "m1" }),
  "missing-field": (deliver) => (ws, { timestamp, ...frame }) => deliver(ws, frame),
  "number-for-string": (deliver) => (ws, frame) => deliver(ws, { ...frame, roomId: 7 }),
  "local-time": (deliver) => (ws, frame) => deliver(ws, { ...frame, timestamp: "2026-01-02 03:04:05" }),
  "unknown-type": (deliver) => (ws, frame) => {
    deliver(ws, { type: "hello", v: 1 });
    deliver(ws, frame);
  },
  binary: () => (ws, frame) => ws.send(Buffer.from(JSON.stringify(frame))),
  "not-json": (deliver) => (ws, frame) => {
    ws.send("{");
    deliver(ws, frame);
  },
  twice: (deliver) => (ws, frame) => {
    deliver(ws, frame);
    deliver(ws, frame);
  },
  "altered-content": (deliver) => (ws, frame) => deliver(ws, { ...frame, content: frame.content?.trim() }),
  "wrong-room": (deliver) => (ws, frame) => deliver(ws, { ...frame, roomId: `${frame.roomId}2` }),
  // Every second echo to the sender is lost: the next one shows it.
  "no-echo": (deliver) => {
    let count = 0;
    return (ws, frame, sender) => {
      if (ws !== sender || ++count % 2 === 0) deliver(ws, frame);
    };
  },
  // Pairs of messages change places.
  reorder: (deliver) => {
    const held = new Map();
    return (ws, frame) => {
      if (!held.has(ws)) return held.set(ws, frame);
      deliver(ws, frame);
      deliver(ws, held.get(ws));
      held.delete(ws);
    };
  },
};

export const WRONG_MODES = Object.keys(MODES);

export function wrongDelivery(mode, deliver) {
  if (!Object.hasOwn(MODES, mode)) throw new Error(`no wrong mode ${mode}; there are ${WRONG_MODES.join(", ")}`);
  return MODES[mode](deliver);
}
