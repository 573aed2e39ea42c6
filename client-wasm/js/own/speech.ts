import { byteLength } from "../text.js";
import { isServers, said } from "../frames.js";
import { Input, sendFailures, type Output } from "../names.js";
import { rooms, type Inside, type Speech } from "../speech.js";
import type { Told } from "../told.js";
import type { Options } from "../types.js";
import { check } from "../validate.js";
import { frameOf } from "./frame.js";
import { OwnFrames } from "./frames.js";
import { Said, Told as Kind } from "./names.js";
import type { AnyFrame } from "./types.js";

/** The protocol of rooms, and beside it frames of the application's own. */
export class OwnSpeech implements Speech {
  constructor(readonly options: Options) {
    check(!options.shareTabs, "bad_option", "there are both frames and shareTabs", "a connection for frames is a tab's own: leave out shareTabs");
  }

  readonly read: Speech["read"] = (conn, data, reader) => {
    const frame = frameOf(data);
    if (!frame) return reader.machine.input(Input.Garbled, [conn]);
    if (frame.name != undefined && isServers(frame.name)) return said(conn, frame.data as Parameters<typeof said>[1], reader);
    const bytes = typeof data == "string" ? byteLength(data) : (data as ArrayBuffer).byteLength;
    reader.machine.input(Said.Frame as number as Input, [conn, reader.table.keep({ data: frame }), bytes]);
  };

  readonly write: Speech["write"] = (kind, fields, ids, writer) => {
    if ((kind as number) != Kind.Write) return rooms.write(kind, fields, ids, writer);
    const { data } = writer.given(fields[2]!) as { data: unknown };
    return ArrayBuffer.isView(data) ? (data as unknown as string) : JSON.stringify(data);
  };

  readonly told: Speech["told"] = (kind, fields, table, ...rest) => {
    const [first, second] = fields as [number, number];
    switch (kind as Output | Kind) {
      case Kind.Frame:
        return ["frame", table.given(first).data as AnyFrame] as unknown as Told;
      case Kind.NotKept: {
        const message = `the frame ${JSON.stringify(table.name(first))} is not kept: ${sendFailures[second - 1]}`;
        return ["error", { message, code: "not_kept" }];
      }
      default:
        return rooms.told(kind, fields, table, ...rest);
    }
  };

  readonly frames = (inside: Inside): unknown => new OwnFrames(inside, this.options);
}
