// The words for how something is (console 3): one colour and one word per kind, always together.

import type { HealthState, Severity } from "../generated/schemas";

export type Kind = "ok" | "info" | "warn" | "error" | "neutral" | "progress" | "muted";

const HEALTH: Record<HealthState, Kind> = {
  ok: "ok",
  degraded: "warn",
  recovering: "progress",
  error: "error",
  unknown: "neutral",
};

const PHRASES: Record<HealthState, string> = {
  ok: "healthy",
  degraded: "needs attention",
  recovering: "getting ready",
  error: "needs operator action",
  unknown: "status unknown",
};

const SEVERITIES: Record<Severity, Kind> = { info: "info", warning: "warn", critical: "error" };

const ORDER: readonly Kind[] = ["error", "warn", "progress", "info", "neutral", "muted", "ok"];

export const ofHealth = (state: HealthState): Kind => HEALTH[state] ?? "neutral";
export const phraseOf = (state: HealthState): string => PHRASES[state] ?? "status unknown";
export const ofSeverity = (severity: Severity): Kind => SEVERITIES[severity] ?? "neutral";

/** The kind that a strip of several takes: that of the one which needs a person most. */
export const worst = (kinds: readonly Kind[]): Kind => ORDER.find((kind) => kinds.includes(kind)) ?? "neutral";

/** State of a probe: a part that was deliberately not set up is no fault. */
export function ofProbe(state: string): Kind {
  if (state === "ok") return "ok";
  if (state === "error" || state === "timeout") return "error";
  return state === "not_configured" ? "muted" : "neutral";
}
