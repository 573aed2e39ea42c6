// Numbered messages, and what arrived of them.

export const COUNT = 1_000;

export const numbered = (user) => Array.from({ length: COUNT }, (_, n) => `${user} no. ${n}`);

const NUMBERED = /^\w+ no\. \d+$/;

/** The numbered messages among frames or pipe events, in order, of `user` or of all. */
export function numberedIn(frames, user) {
  return frames
    .filter(({ type, content, userId }) => type === "message" && NUMBERED.test(content) && (!user || userId === user))
    .map(({ content }) => content);
}

/** For a wait: true at the `total`th numbered message. */
export function countTo(total) {
  let count = 0;
  return (frame) => numberedIn([frame]).length === 1 && ++count === total;
}

/** Sends all, waiting for echoes so that not more than 100 are on their way: a flood would test limits instead. */
export async function sendPaced(client, room, contents) {
  const onTheirWay = [];
  for (const content of contents) {
    onTheirWay.push(client.send(room, content));
    if (onTheirWay.length >= 100) await onTheirWay.shift();
  }
  await Promise.all(onTheirWay);
}
