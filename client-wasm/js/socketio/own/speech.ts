import { type Frame } from "../../fields.js";
import { Input, sendFailures, type Output } from "../../names.js";
import type { Inside, Speech } from "../../speech.js";
import type { Table } from "../../table.js";
import type { Told } from "../../told.js";
import { trailing } from "../heard.js";
import { Said, Sent } from "../names.js";
import { read, type Packet } from "../packet.js";
import { SocketIoSpeech, type MachineInput } from "../speech.js";
import { Events } from "./events.js";
import type { Parcel } from "./parcel.js";

/** Packets, of which those are the application's own that are not of the contract. */
export class OwnSocketIoSpeech extends SocketIoSpeech {
  /** The same arguments with bytes as bytes. */
  #whole({ json, attachments }: Packet, given: readonly unknown[]): readonly unknown[] {
    return attachments.length ? (read(json, attachments, (bytes) => new Uint8Array(bytes)) as unknown[]) : given;
  }

  protected override event(packet: Packet, given: readonly unknown[], table: Table): MachineInput {
    const [called] = given;
    if (this.names.meant(called) != undefined) return super.event(packet, given, table);
    const [, ...args] = this.#whole(packet, given);
    const kept = (args: unknown[]) => table.keep({ data: { name: String(called), args } });
    const [last, text] = trailing(given);
    const before = last ? kept(args.slice(0, -1)) : 0;
    return [Said.Own, [packet.ack ?? -1, last, kept(args), packet.size, before], [text]];
  }

  protected override ack(packet: Packet, given: readonly unknown[], table: Table): MachineInput {
    if (packet.ack != undefined && given.length) {
      const whole = this.#whole(packet, given);
      const answer = { answer: whole.length == 1 ? whole[0] : whole };
      this.machine!.input(Said.Whole as number as Input, [table.keep(answer as unknown as Frame)]);
    }
    return super.ack(packet, given, table);
  }

  override write(...[kind, fields, ids, writer]: Parameters<Speech["write"]>): string | undefined {
    const own = kind as number;
    if (own != Sent.Own && own != Sent.Answer) return super.write(kind, fields, ids, writer);
    const { json, attachments } = (writer.given(fields[3]!) as { data: Parcel }).data;
    const [text, binary] = own == Sent.Own ? [2, 5] : [3, 6];
    const packet = this.packet(attachments.length ? `${binary}${attachments.length}-` : text!, json, fields[2]);
    return attachments.length ? ([packet, ...attachments] as unknown as string) : packet;
  }

  override told(...[kind, fields, table, ...rest]: Parameters<Speech["told"]>): Told | undefined {
    const [first, second] = fields as [number, number];
    switch (kind as Output | Sent) {
      case Sent.Event:
        return ["frame", { ...(table.given(first).data as object), ack: second }] as unknown as Told;
      case Sent.NotKept: {
        const message = `the event ${JSON.stringify(table.name(first))} is not kept: ${sendFailures[second - 1]}`;
        return ["error", { message, code: "not_kept" }];
      }
      // Nobody waits for it any more, or it was too large.
      case Sent.NotAnswered:
        return second ? ["error", { message: `an answer was not given: ${sendFailures[second - 1]}`, code: "not_answered" }] : undefined;
      default:
        return super.told(kind, fields, table, ...rest);
    }
  }

  override frames(inside: Inside): unknown {
    return new Events(inside, this.names);
  }
}
