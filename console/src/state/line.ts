// The state line of the live page: what is connected, how old the newest reading is, and what to do. Pure.

import * as format from "../format";
import type { HealthState, LiveReadback, NullReason, Session } from "../generated/schemas";
import type { Kind } from "./kinds";

/** How the picture of this page is. */
export type PictureState = "off" | "connecting" | "playing" | "stalled" | "lost";

export interface LineInput {
  isConnected: boolean;
  engine: HealthState | null;
  session: Session | null;
  readback: LiveReadback | null;
  picture: PictureState;
  /** Why there is no picture. */
  pictureWhy: string | null;
  /** Milliseconds since the newest reading arrived; null when none did. */
  ageMs: number | null;
  absent: NullReason | null;
}

export interface Line {
  kind: Kind;
  /** What is connected. */
  what: string;
  /** Age of the newest reading. */
  age: string;
  /** What to do, if anything. */
  next: string | null;
}

/** A reading older than this is not of now, milliseconds. */
export const OLD_MS = 1000;

const FACELESS: Record<NullReason, string> = {
  no_face: "No face in the picture: show one face to the camera.",
  face_lost: "The face was lost: show it to the camera.",
  low_confidence: "The face is hard to see: more light, less motion, look at the camera.",
  degenerate_geometry: "The face cannot be measured from this side: look at the camera.",
  non_finite: "This frame gave no number; the next ones may.",
  model_unavailable: "A face model is missing: run lsie models fetch.",
  network_failure: "The face model failed on this frame; see Health if it stays so.",
  not_calibrated: "The neutral baseline comes first: keep a neutral face.",
};

export const faceless = (reason: NullReason): string => FACELESS[reason] ?? "No face is measured.";

/** The state line. */
export function line(input: LineInput): Line {
  const { session, readback } = input;
  const age = input.ageMs === null ? "no reading yet" : `newest reading ${ageText(input.ageMs)} old`;
  const say = (kind: Kind, what: string, next: string | null): Line => ({ kind, what, age, next });
  if (!input.isConnected)
    return say("error", "The server is away", "Nothing to do: the page reconnects by itself. What you see is the last that was said.");
  if (!session) return { kind: "neutral", what: "No session is open", age: "", next: "Start a session." };
  if (input.engine === "error")
    return say("error", "The media engine stays down", "Look at Health, then start it again there.");
  if (input.engine === "recovering")
    return say("progress", "The media engine is coming back", "Nothing to do: the session goes on when it is there, with a gap on record.");
  const source = readback?.source_url ?? "source";
  if (readback && readback.source_state !== "playing") {
    const hint = readback.source?.hint || (readback.source_state === "failed" ? "Check the source, then start a new session." : "Nothing to do: it is being opened.");
    return say(readback.source_state === "failed" ? "error" : "progress", `${source}: ${readback.source_state}`, hint);
  }
  if (input.picture === "stalled") return say("warn", `${source}: the picture stands still`, "Check the source; the picture goes on by itself.");
  if (input.picture === "lost") return say("warn", `${source}: no live picture (${input.pictureWhy ?? "connection lost"})`, "Measuring goes on; the page connects again by itself.");
  if (input.absent && input.absent !== "not_calibrated") return say("warn", `${source} plays`, faceless(input.absent));
  if (input.picture === "connecting") return say("progress", `${source} plays; the picture is being connected`, null);
  if (session.is_calibrating) return say("progress", `${source} plays`, "Keep a neutral face until the baseline is complete.");
  return say("ok", `${source} plays`, null);
}

function ageText(ms: number): string {
  if (ms < 100) return "under 0.1 s";
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : format.duration(ms / 1000);
}
