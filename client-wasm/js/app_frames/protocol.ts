// The protocol of rooms with application frames beside it.
import { byteLength } from "../util/text.js";
import { isServerFrame, inputFrame } from "../protocol/frames.js";
import { Input, Output, sendFailures } from "../wasm/codes.js";
import { roomProtocol, type ClientInternals, type Protocol } from "../protocol/protocol.js";
import type { NamedEvent } from "../protocol/event_decoder.js";
import type { Options } from "../types.js";
import { check } from "../client/arguments.js";
import { parseFrame } from "./frame.js";
import { decodeText } from "../protocol/validate.js";
import { AppFrames } from "./frames.js";
import { FrameInput, FrameOutput as FrameOutput } from "./codes.js";
import type { AnyFrame } from "./types.js";

/** The protocol of rooms with application frames. */
export class AppFramesProtocol implements Protocol {
  constructor(readonly options: Options) {
    check(!options.shareTabs, "bad_option", "there are both frames and shareTabs", "a connection for frames is a tab's own: leave out shareTabs");
  }

  readonly read: Protocol["read"] = (conn, data, reader) => {
    const frame = parseFrame(data) ?? (this.#frames?.hearsAny ? { data: decodeText(data) } : undefined);
    this.#isTold = false;
    if (!frame) return reader.machine.input(Input.Malformed, [conn]);
    if (frame.name != undefined && isServerFrame(frame.name)) return this.#readProtocolFrame(conn, frame.name, frame.data, reader);
    const bytes = typeof data == "string" ? byteLength(data) : (data as ArrayBuffer).byteLength;
    reader.machine.input(FrameInput.Frame as number as Input, [conn, reader.handles.add({ data: frame }), bytes]);
  };

  #client: ClientInternals | undefined;
  #frames: AppFrames | undefined;
  /** Types of frames that were not as the protocol has them, each told once. The machine tells the first alone, without its type. */
  readonly #garbled = new Set<string>();
  #isTold = false;

  #readProtocolFrame(conn: number, type: string, data: unknown, reader: Parameters<Protocol["read"]>[2]): void {
    const { machine } = reader;
    const input = (kind: Input, ...more: [readonly number[], (readonly string[])?]) => {
      machine.input(kind, ...more);
      if (kind != Input.Malformed) return;
      this.#isTold = true;
      if (this.#garbled.has(type)) return;
      this.#garbled.add(type);
      // Only names of the protocol come here.
      const message = `${reader.handles.refusal.message ?? `the frame of the type "${type}" is not as the protocol has it`}: one of the application's own needs another type`;
      this.#client?.emitter.emit("error", { message, code: "garbled" });
    };
    inputFrame(conn, data as Parameters<typeof inputFrame>[1], { ...reader, machine: { input }, redirect: (url) => reader.redirect(url) });
  }

  readonly write: Protocol["write"] = (kind, fields, ids, writer) => {
    if ((kind as number) != FrameOutput.Write) return roomProtocol.write(kind, fields, ids, writer);
    const { data } = writer.payload(fields[2]!) as { data: unknown };
    return ArrayBuffer.isView(data) || typeof data == "string" ? (data as string) : JSON.stringify(data);
  };

  readonly decode: Protocol["decode"] = (kind, fields, handles, ...rest) => {
    const [first, second] = fields as [number, number];
    switch (kind as Output | FrameOutput) {
      case FrameOutput.Frame:
        return ["frame", handles.payload(first).data as AnyFrame] as unknown as NamedEvent;
      case FrameOutput.NotKept: {
        const message = `the frame ${JSON.stringify(handles.name(first))} is not kept: ${sendFailures[second - 1]}`;
        return ["error", { message, code: "not_kept" }];
      }
      case Output.Malformed:
        if (this.#isTold) return undefined;
      // Falls through: a text that is no JSON.
      default:
        return roomProtocol.decode(kind, fields, handles, ...rest);
    }
  };

  readonly frames = (client: ClientInternals): unknown => (this.#frames = new AppFrames((this.#client = client), this.options));
}
