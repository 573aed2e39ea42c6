// Splits a stream of server-sent events into its events (the HTML standard, 9.2). Bounded: an event that is too large is left out.

/** An event. `id`: the last one that the stream has named. */
export interface StreamEvent {
  kind: string;
  data: string;
  id: string;
}

/** Most characters of an event, and of a line. */
const MAX_EVENT = 1 << 20;

/** One stream, from its beginning. */
export class Parser {
  // Takes a byte-order mark away.
  readonly #decoder = new TextDecoder();
  /** A line that has not ended. */
  #line = "";
  #endedByReturn = false;
  #kind = "";
  #data: string[] = [];
  #size = 0;
  #id = "";

  /** The events that end in this piece. */
  read(piece: Uint8Array): StreamEvent[] {
    const events: StreamEvent[] = [];
    const text = this.#decoder.decode(piece, { stream: true });
    if (!text) return events;
    // A line that ended with a piece may have the second half of its end in this one.
    const from = this.#endedByReturn && text[0] == "\n" ? 1 : 0;
    this.#endedByReturn = text.endsWith("\r");
    const lines = text.slice(from).split(/\r\n|\n|\r/);
    const rest = lines.pop()!;
    for (const line of lines) {
      this.#take(this.#line + line, events);
      this.#line = "";
    }
    if (rest) this.#line += rest;
    if (this.#line.length > MAX_EVENT) {
      this.#add("", this.#line.length);
      // No field's name, and no empty line either.
      this.#line = "-";
    }
    return events;
  }

  #take(line: string, events: StreamEvent[]): void {
    if (!line) {
      if (this.#size && this.#size <= MAX_EVENT) events.push({ kind: this.#kind || "message", data: this.#data.join("\n"), id: this.#id });
      this.#kind = "";
      this.#data = [];
      this.#size = 0;
      return;
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!;
    if (field == "event") this.#kind = value;
    else if (field == "id" && !value.includes("\0")) this.#id = value;
    else if (field == "data") this.#add(value, value.length + 1);
  }

  #add(line: string, size: number): void {
    this.#size += size;
    if (this.#size > MAX_EVENT) this.#data = [];
    else this.#data.push(line);
  }
}
