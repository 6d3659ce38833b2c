// Reads the text of an event stream. Pure: text in, events out; what is not finished yet is kept for the next piece.

/** One event of the stream. */
export interface StreamEvent {
  type: string;
  id: string;
  data: string;
}

/** Longest text that may wait for its end; a longer one is no event of ours. */
const MOST_PENDING = 4 * 1024 * 1024;

/** The parser of one connection. */
export class StreamParser {
  private pending = "";

  /** Takes the next piece and gives the events that it completes. Throws when the stream is no stream of events. */
  push(piece: string): StreamEvent[] {
    this.pending += piece.replaceAll("\r\n", "\n");
    const events: StreamEvent[] = [];
    for (let end = this.pending.indexOf("\n\n"); end >= 0; end = this.pending.indexOf("\n\n")) {
      const event = read(this.pending.slice(0, end));
      if (event) events.push(event);
      this.pending = this.pending.slice(end + 2);
    }
    if (this.pending.length > MOST_PENDING) throw new Error("the event stream has no end of event");
    return events;
  }
}

function read(block: string): StreamEvent | null {
  const event: StreamEvent = { type: "message", id: "", data: "" };
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue; // a comment: the keep-alive
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event.type = value;
    else if (name === "id") event.id = value;
    else if (name === "data") data.push(value);
  }
  event.data = data.join("\n");
  return data.length > 0 ? event : null;
}
