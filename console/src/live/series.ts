// The curve of the last minute: one score per analysed frame, gaps included. Bounded. Pure.

/** How much of the past is kept, seconds. */
export const SPAN_SECS = 60;
/** A hole longer than this is drawn as one, seconds. */
const HOLE_SECS = 0.5;
/** At most this many points: twice a minute at 30 frames a second, for sources that are faster. */
const MOST_POINTS = 4096;

export class Series {
  readonly times: number[] = [];
  readonly values: (number | null)[] = [];

  /** Adds a value at a media time. A time that is not after the newest begins anew: the source was opened again. */
  push(secs: number, value: number | null): void {
    const last = this.times.at(-1);
    if (last !== undefined && secs <= last) {
      if (last - secs < 1) return; // a late message
      this.clear();
    } else if (last !== undefined && secs - last > HOLE_SECS) {
      this.times.push(last + HOLE_SECS / 2);
      this.values.push(null);
    }
    this.times.push(secs);
    this.values.push(value);
    let drop = 0;
    while (this.times.length - drop > MOST_POINTS || (this.times[drop] ?? secs) < secs - SPAN_SECS) drop += 1;
    if (drop > 0) {
      this.times.splice(0, drop);
      this.values.splice(0, drop);
    }
  }

  clear(): void {
    this.times.length = 0;
    this.values.length = 0;
  }
}

/** A stretch of media time that is shaded. */
export interface Band {
  kind: "baseline" | "measure";
  from: number;
  to: number;
}

/** The two windows around a stimulus (math 5), media seconds. */
export const bandsOf = (stimulusSecs: number): Band[] => [
  { kind: "baseline", from: stimulusSecs - 5, to: stimulusSecs },
  { kind: "measure", from: stimulusSecs + 0.5, to: stimulusSecs + 5 },
];
