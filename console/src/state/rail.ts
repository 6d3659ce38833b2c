// The action bar: what can be done now, and if nothing, why (console 1). Pure.

import type { LiveReadback, Session } from "../generated/schemas";
import type { Kind } from "./kinds";

/** The measurement window closes this long after the stimulus, seconds (math 5). */
export const MEASURE_END_SECS = 5;

/** What this page knows of its own request. */
export type Submission = { state: "idle" } | { state: "sending" } | { state: "failed"; message: string };

export type RailState = "idle" | "submitting" | "accepted" | "measuring" | "judging" | "completed" | "failed";

export interface Rail {
  state: RailState;
  button: string;
  isEnabled: boolean;
  pill: string;
  kind: Kind;
  /** Seconds until the measurement window closes. */
  countdownSecs: number | null;
  /** Why the button is off, or what to do next. */
  message: string | null;
  /** Whether the operator may say now if the line was delivered. */
  asksAttestation: boolean;
}

export interface RailInput {
  session: Session | null;
  readback: LiveReadback | null;
  isConnected: boolean;
  isEngineUp: boolean;
  submission: Submission;
  /** The stimulus that this page saw being measured last, once it is not measured any more. */
  wasMeasuring: boolean;
  /** Server time, milliseconds. */
  nowMs: number;
}

const LOOK: Record<RailState, readonly [button: string, pill: string, kind: Kind]> = {
  idle: ["Send Stimulus", "ready", "neutral"],
  submitting: ["Sending…", "submitting", "progress"],
  accepted: ["Accepted", "accepted", "info"],
  measuring: ["Measuring…", "measuring", "progress"],
  judging: ["Measured", "your word", "info"],
  completed: ["Send Stimulus", "completed", "ok"],
  failed: ["Retry", "failed", "error"],
};

/** The state of the action bar. */
export function rail(input: RailInput): Rail {
  const state = stateOf(input);
  const [button, pill, kind] = LOOK[state];
  const hindrance = hindranceOf(input, state);
  const isOpen = state === "accepted" || state === "measuring" || state === "judging";
  return {
    state,
    button,
    isEnabled: hindrance === null,
    pill: hindrance !== null && state === "idle" ? "not ready" : pill,
    kind,
    countdownSecs: state === "measuring" ? countdownOf(input) : null,
    message: input.submission.state === "failed" && hindrance === null ? input.submission.message : hindrance,
    asksAttestation: isOpen && (state === "measuring" || state === "judging") && input.isConnected,
  };
}

function stateOf({ readback, submission, wasMeasuring }: RailInput): RailState {
  if (submission.state === "sending") return "submitting";
  switch (readback?.encounter_state) {
    case "stimulus_issued":
      return "accepted";
    case "measuring":
      return "measuring";
    case "awaiting_attestation":
      return "judging";
  }
  if (submission.state === "failed") return "failed";
  return wasMeasuring && readback ? "completed" : "idle";
}

function countdownOf({ readback, nowMs }: RailInput): number | null {
  const at = Date.parse(readback?.stimulus_time_utc ?? "");
  return Number.isFinite(at) ? Math.max(0, at / 1000 + MEASURE_END_SECS - nowMs / 1000) : null;
}

function hindranceOf(input: RailInput, state: RailState): string | null {
  const { session, readback } = input;
  if (!input.isConnected) return "The server does not answer; the page reconnects by itself.";
  if (!session) return "No session is open: start one first.";
  if (state === "submitting") return "The stimulus is on its way to the media engine.";
  if (state === "accepted") return "Accepted; the measurement window is not open yet.";
  if (state === "measuring") return "Measuring the answer, until 5 s after the stimulus.";
  if (state === "judging") return "The window is closed. Was the line delivered?";
  if (!input.isEngineUp) return "The media engine is away; it comes back by itself.";
  const baseline = baselineOf(session);
  if (baseline) return baseline;
  if (!readback) return "No reading has arrived yet.";
  if (readback.source_state !== "playing") return `The source is ${readback.source_state}; wait until it plays.`;
  return null;
}

/** What is missing of the neutral baseline, or null. A session that says nothing about it is not ready. */
export function baselineOf(session: Session): string | null {
  const have = session.calibration_frames_accumulated;
  const need = session.calibration_frames_required;
  if (have === null || need === null) return "The neutral baseline is not known yet.";
  return session.is_calibrating !== false && have < need
    ? `The neutral baseline is not complete: ${have} of ${need} face frames.`
    : null;
}
