// Engine.IO's payloads: the packets in the body of one request or answer of long polling. Does not interpret them.
import { fromBase64, toBase64 } from "../../util/base64.js";
import { byteLength } from "../../util/text.js";

/** Between two packets: the ASCII record separator. */
const SEPARATOR = "\x1e";
/** Most packets in one request: servers bound them. */
const MAX_PACKETS = 16;

/** A packet that waits to be sent, as a WebSocket would be given it, and its bytes. */
export interface QueuedPacket {
  readonly packet: string | Uint8Array;
  readonly bytes: number;
}

export const queued = (packet: string | Uint8Array): QueuedPacket => ({
  packet,
  bytes: typeof packet == "string" ? byteLength(packet) : packet.byteLength,
});

/** The packets of an answer, as a WebSocket would deliver them. Throws for what is no payload. */
export function decodePayload(body: string): (string | ArrayBuffer)[] {
  return body.split(SEPARATOR).map((packet) => {
    if (!packet) throw new Error("an answer has an empty packet");
    return packet[0] == "b" ? fromBase64(packet.slice(1)).buffer : packet;
  });
}

const encode = (packet: string | Uint8Array): string => (typeof packet == "string" ? packet : `b${toBase64(packet)}`);

/** Takes the next packets out of the queue, as many as one request of so many bytes holds, but one at least. */
export function takePayload(queue: QueuedPacket[], maxBytes: number): { body: string; bytes: number } {
  const taken: string[] = [];
  let [bytes, size] = [0, 0];
  while (queue.length && taken.length < MAX_PACKETS) {
    const [next] = queue as [QueuedPacket];
    // A separator, the sign of an attachment, and base64.
    size += typeof next.packet == "string" ? next.bytes + 1 : Math.ceil(next.bytes / 3) * 4 + 2;
    if (taken.length && size > maxBytes) break;
    queue.shift();
    taken.push(encode(next.packet));
    bytes += next.bytes;
  }
  return { body: taken.join(SEPARATOR), bytes };
}
