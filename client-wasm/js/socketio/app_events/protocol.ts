// Socket.IO with application events beside those of the contract.
import { Connection } from "../../client/connection.js";
import type { Frame } from "../../protocol/validate.js";
import { Input, type Output, sendFailures } from "../../wasm/codes.js";
import type { ClientInternals, Protocol } from "../../protocol/protocol.js";
import type { HandleTable } from "../../wasm/handle_table.js";
import type { NamedEvent } from "../../protocol/event_decoder.js";
import { trailingOffset } from "../parse_event.js";
import { PacketIn, PacketOut } from "../codes.js";
import { type Packet, read } from "../packet.js";
import { type MachineInput, SocketIoProtocol } from "../protocol.js";
import { Events } from "./events.js";
import type { EncodedArgs } from "./encode.js";

/** A connection whose packets may have attachments, each a binary frame directly after the packet. */
export class AttachmentConnection extends Connection {
  override write(frame: number, packet: unknown): void {
    const parts = Array.isArray(packet) ? (packet as string[]) : [packet as string];
    // The packet has left when its last part has.
    parts.forEach((part, at) => super.write(at < parts.length - 1 ? frame - 1 : frame, part));
  }
}

/** Socket.IO packets; events outside the contract are application events. */
export class AppEventsProtocol extends SocketIoProtocol {
  /** The same arguments with attachments as byte arrays. */
  #withBytes({ json, attachments }: Packet, given: readonly unknown[]): readonly unknown[] {
    return attachments.length ? (read(json, attachments, (bytes) => new Uint8Array(bytes)) as unknown[]) : given;
  }

  protected override event(packet: Packet, given: readonly unknown[], handles: HandleTable): MachineInput {
    const [called] = given;
    if (this.names.eventOf(called) != undefined) return super.event(packet, given, handles);
    const [, ...args] = this.#withBytes(packet, given);
    const kept = (args: unknown[]) => handles.add({ data: { name: String(called), args } });
    const [last, text] = trailingOffset(given);
    const before = last ? kept(args.slice(0, -1)) : 0;
    return [PacketIn.AppEvent, [packet.ack ?? -1, last, kept(args), packet.size, before], [text]];
  }

  protected override ack(packet: Packet, given: readonly unknown[], handles: HandleTable): MachineInput {
    if (packet.ack != undefined && given.length) {
      const whole = this.#withBytes(packet, given);
      const answer = { answer: whole.length == 1 ? whole[0] : whole };
      this.machine!.input(PacketIn.AckValue as number as Input, [handles.add(answer as unknown as Frame)]);
    }
    return super.ack(packet, given, handles);
  }

  override write(...[kind, fields, ids, writer]: Parameters<Protocol["write"]>): string | undefined {
    const own = kind as number;
    if (own != PacketOut.AppEvent && own != PacketOut.Answer) return super.write(kind, fields, ids, writer);
    const { json, attachments } = (writer.payload(fields[3]!) as { data: EncodedArgs }).data;
    const [text, binary] = own == PacketOut.AppEvent ? [2, 5] : [3, 6];
    const packet = this.packet(attachments.length ? `${binary}${attachments.length}-` : text!, json, fields[2]);
    return attachments.length ? ([packet, ...attachments] as unknown as string) : packet;
  }

  override decode(...[kind, fields, handles, ...rest]: Parameters<Protocol["decode"]>): NamedEvent | undefined {
    const [first, second] = fields as [number, number];
    switch (kind as Output | PacketOut) {
      case PacketOut.Event:
        return ["frame", { ...(handles.payload(first).data as object), ack: second }] as unknown as NamedEvent;
      case PacketOut.NotKept: {
        const message = `the event ${JSON.stringify(handles.name(first))} is not kept: ${sendFailures[second - 1]}`;
        return ["error", { message, code: "not_kept" }];
      }
      // The server no longer waits for it, or it was too large.
      case PacketOut.NotAnswered:
        return second ? ["error", { message: `an answer was not given: ${sendFailures[second - 1]}`, code: "not_answered" }] : undefined;
      default:
        return super.decode(kind, fields, handles, ...rest);
    }
  }

  override frames(internals: ClientInternals): unknown {
    return new Events(internals, this.names);
  }
}
