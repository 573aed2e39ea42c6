import { Connection } from "../../connection.js";

/** A connection on which a packet may have attachments: each is a frame of its own, right behind its text. */
export class PartsConnection extends Connection {
  override write(frame: number, packet: unknown): void {
    const parts = Array.isArray(packet) ? (packet as string[]) : [packet as string];
    // Only with the last of them the frame has left.
    parts.forEach((part, at) => super.write(at < parts.length - 1 ? frame - 1 : frame, part));
  }
}
