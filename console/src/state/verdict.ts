// An encounter in words: the verdict first, then the terms of its reward (console 2, math 6). Pure.

import * as format from "../format";
import type { EncounterV2 } from "../generated/schemas";
import type { Kind } from "./kinds";

export interface Verdict {
  kind: Kind;
  pill: string;
  sentence: string;
}

/** One term of the reward. */
export interface Term {
  name: string;
  value: string;
  meaning: string;
}

const SKIPPED: Record<string, string> = {
  data_gap: "media was lost inside the window, so nothing was learnt",
  semantic_unavailable: "nobody said whether the line was delivered, so nothing was learnt",
  no_frames: "no face could be scored in the window, so nothing was learnt",
  no_stimulus: "there was no stimulus time, so there is no reward",
  no_posterior: "the session ran on the default line, which learns nothing",
};

const OPEN: Record<string, Verdict> = {
  stimulus_issued: { kind: "info", pill: "accepted", sentence: "Accepted; waiting for the time on the session clock." },
  measuring: { kind: "progress", pill: "measuring", sentence: "The answer is being measured." },
  awaiting_attestation: {
    kind: "info",
    pill: "your word",
    sentence: "Measured. Say whether the line was delivered; without a word nothing is learnt.",
  },
};

export const isOpen = (encounter: EncounterV2): boolean => encounter.state_v2 in OPEN;

/** What came of an encounter. */
export function verdict(encounter: EncounterV2): Verdict {
  const open = OPEN[encounter.state_v2];
  if (open) return open;
  if (encounter.applied && encounter.semantic_gate === 1) {
    const sum = `${format.score(encounter.p90_intensity)} × 1 = ${format.score(encounter.gated_reward)}`;
    return { kind: "ok", pill: "counted", sentence: `Counted: ${sum}.` };
  }
  if (encounter.applied) {
    const how = encounter.semantic_method === "operator_attested" ? "you said so" : `confidence ${format.confidence(encounter.semantic_confidence)}`;
    return { kind: "info", pill: "not delivered", sentence: `The line was not delivered (${how}): a reward of 0.000 counts.` };
  }
  const why = SKIPPED[encounter.skip_reason ?? ""] ?? format.words(encounter.skip_reason);
  return { kind: encounter.skip_reason === "semantic_unavailable" ? "info" : "warn", pill: "not counted", sentence: `Not counted: ${why}.` };
}

/** The reward term by term; empty while the encounter is open. */
export function terms(encounter: EncounterV2): Term[] {
  if (isOpen(encounter)) return [];
  const frames = encounter.n_frames_in_window;
  const list: Term[] = [
    {
      name: "Strongest smile (P90)",
      value: format.score(encounter.p90_intensity),
      meaning:
        frames === null || frames === 0
          ? "no scored face frame between 0.5 s and 5 s after the stimulus"
          : `the value that 9 of 10 of the ${frames} face frames between 0.5 s and 5 s after the stimulus stay below`,
    },
    {
      name: "× delivered",
      value: encounter.semantic_gate === null ? format.MISSING : String(encounter.semantic_gate),
      meaning: gateMeaning(encounter),
    },
    {
      name: "= reward",
      value: format.score(encounter.gated_reward),
      meaning: encounter.applied ? "goes to the line that was shown" : "is not learnt from",
    },
  ];
  const after = encounter.posterior_after;
  const reward = encounter.gated_reward;
  if (encounter.applied && after && reward !== null) {
    const before = `Beta(${format.score(after[0] - reward)}, ${format.score(after[1] - (1 - reward))})`;
    list.push({
      name: "→ belief in the line",
      value: `Beta(${format.score(after[0])}, ${format.score(after[1])})`,
      meaning: `was ${before}: the reward is added to the first number, what it lacks to 1 to the second`,
    });
  }
  return list;
}

function gateMeaning(encounter: EncounterV2): string {
  if (encounter.semantic_method === "operator_attested")
    return encounter.semantic_gate === 1 ? "you said that the line was delivered" : "you said that the line was not delivered";
  if (encounter.semantic_gate === null || encounter.skip_reason === "semantic_unavailable")
    return "nobody judged the delivery";
  return `judged by ${format.words(encounter.semantic_method)}, confidence ${format.confidence(encounter.semantic_confidence)}`;
}

/** What was measured beside the reward and never alters it. */
export function observed(encounter: EncounterV2): Term[] {
  const attribution = encounter.attribution;
  const list: Term[] = [
    {
      name: "Smile before",
      value: format.score(encounter.au12_baseline_pre),
      meaning: "mean of the 5 s before the stimulus",
    },
  ];
  if (attribution?.au12_lift_p90 != null)
    list.push({ name: "Lift", value: format.score(attribution.au12_lift_p90), meaning: "P90 over that mean" });
  if (attribution?.au12_peak_latency_ms != null)
    list.push({
      name: "Peak after",
      value: format.latency(attribution.au12_peak_latency_ms),
      meaning: "from the stimulus to the strongest smile",
    });
  list.push({
    name: "Physiology",
    value: encounter.physiology_attached ? (encounter.physiology_stale ? "stale" : "fresh") : format.MISSING,
    meaning: encounter.physiology_attached ? "as it was when the window closed" : "no wearable sent anything",
  });
  return list;
}

/** Newest encounter, the open one included. */
export const newest = (encounters: readonly EncounterV2[] | undefined): EncounterV2 | null => encounters?.[0] ?? null;
