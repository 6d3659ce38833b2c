// What the demo presenter's mouth really does. Only this page and tests know it; no measurement reads it.

import table from "../generated/demoTruth.json";

/** Whether a source is the demo presenter, whose truth is known. */
export const hasTruth = (sourceUrl: string | null | undefined): boolean =>
  (sourceUrl ?? "").startsWith("demo:presenter") && !(sourceUrl ?? "").includes("mask");

/** The true AU12 score at a media time, seconds; between two frames of the demo on the line that joins them. */
export function truthAt(mediaSecs: number): number {
  const since = mediaSecs - table.neutral_secs;
  if (!(since >= 0)) return 0;
  const place = (since * table.fps) % table.au12.length;
  const index = Math.floor(place);
  const here = table.au12[index] ?? 0;
  const next = table.au12[(index + 1) % table.au12.length] ?? 0;
  return here + (next - here) * (place - index);
}

/** Frames of the clip before the loop, and in the loop. */
const INTRO_FRAMES = table.neutral_secs * table.fps;

/** The number that is painted into the demo's frame of a media time. */
export function frameNumberAt(mediaSecs: number): number {
  const frame = Math.round(mediaSecs * table.fps);
  return frame < INTRO_FRAMES ? frame : INTRO_FRAMES + ((frame - INTRO_FRAMES) % table.au12.length);
}
