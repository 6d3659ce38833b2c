// Which reading belongs on the picture that is on the screen now. Pure.
//
//   reading of frame n arrives before frame n is shown    drawn with frame n            lag 0
//   it arrives while frame n is shown                     drawn at once                 lag 0
//   frame n + 1 is shown before it arrives                drawn late, as n, or not      lag 1, 2, …

import type { LiveFace } from "./message";

/** Ticks of the RTP clock per second. */
export const RTP_HZ = 90_000;
/** An overlay that is further behind its picture than this is taken away, seconds. */
const MOST_LAG_SECS = 0.25;
/** Readings that are kept for pictures which are still on their way. */
const KEPT = 90;

/** `a` less `b` on a clock that wraps at 2^32, in ticks. */
export const ticksBetween = (a: number, b: number): number => (a - b) | 0;

export interface Choice {
  face: LiveFace;
  /** How far the reading is behind the picture, seconds; 0: it is of this very frame. */
  lagSecs: number;
}

/** Holds readings until their pictures come. */
export class Matcher {
  private readonly held: LiveFace[] = [];
  private shown: number | null = null;

  /** Takes a reading. */
  hear(face: LiveFace): void {
    this.held.push(face);
    if (this.held.length > KEPT) this.held.shift();
  }

  /** Takes the RTP time of the picture that is on the screen. */
  show(rtpTime: number): void {
    this.shown = rtpTime;
    // What is older than the picture by far is of no picture to come.
    const tooOld = (face: LiveFace) => ticksBetween(rtpTime, face.rtpTime) > MOST_LAG_SECS * 4 * RTP_HZ;
    while (this.held[0] && tooOld(this.held[0])) this.held.shift();
  }

  /** The reading of the picture on the screen, else the newest one before it that is near enough. */
  choice(): Choice | null {
    if (this.shown === null) return null;
    let best: Choice | null = null;
    for (const face of this.held) {
      const lagSecs = ticksBetween(this.shown, face.rtpTime) / RTP_HZ;
      if (lagSecs < 0 || lagSecs > MOST_LAG_SECS) continue;
      if (!best || lagSecs < best.lagSecs) best = { face, lagSecs };
    }
    return best;
  }

  /** Forgets everything: another stream begins. */
  clear(): void {
    this.held.length = 0;
    this.shown = null;
  }
}
