// Physiology: four distinct states per person, and co-modulation with its reason when it has no number (console 2).

import { Show, type JSX } from "solid-js";
import * as format from "../format";
import type { CoModulation, RoleSnapshot } from "../generated/schemas";
import { Card, Empty, Facts, PageHead, Pill } from "../parts/parts";
import type { Kind } from "../state/kinds";
import { parts } from "../state/store";

/** State of one person's data. */
export function stateOf(role: RoleSnapshot | null | undefined): { kind: Kind; label: string } {
  if (!role || (role.rmssd_ms === null && role.heart_rate_bpm === null)) return { kind: "neutral", label: "absent" };
  if (role.is_stale) return { kind: "warn", label: "stale" };
  return role.rmssd_ms === null ? { kind: "info", label: "no variability" } : { kind: "ok", label: "fresh" };
}

export function PhysiologyPage(): JSX.Element {
  return (
    <>
      <PageHead title="Physiology">What the wearables of both people say. Observational: it never alters the reward.</PageHead>
      <Show when={parts.physiology} fallback={<Empty title="No session is open">Wearable data belong to a session: start one first.</Empty>}>
        {(open) => (
          <div class="grid two">
            <Role title="Streamer" role={open().streamer} />
            <Role title="Operator" role={open().operator} />
            <Together index={open().comodulation} />
          </div>
        )}
      </Show>
    </>
  );
}

function Role(props: { title: string; role: RoleSnapshot | null }): JSX.Element {
  return (
    <section class="panel">
      <div class="card-head">
        <h2>{props.title}</h2>
        <Pill kind={stateOf(props.role).kind} label={stateOf(props.role).label} />
      </div>
      <Facts
        facts={[
          ["RMSSD", format.rmssd(props.role?.rmssd_ms)],
          ["Heart rate", format.heartRate(props.role?.heart_rate_bpm)],
          ["Freshness", format.freshness(props.role?.freshness_s, props.role?.is_stale)],
          ["Source time", format.time(props.role?.source_timestamp_utc)],
          ["Provider", props.role?.provider ?? format.MISSING],
        ]}
      />
    </section>
  );
}

function Together(props: { index: CoModulation | null }): JSX.Element {
  const value = () => props.index?.co_modulation_index ?? null;
  const way = () => ((value() ?? 0) < 0 ? "apart" : "together");
  return (
    <Card
      title="Co-modulation"
      value={value() === null ? (props.index?.null_reason ? format.words(props.index.null_reason) : format.MISSING) : `${format.coModulation(value())} ${way()}`}
      kind={value() === null ? (props.index ? "info" : "neutral") : "ok"}
      pill={value() === null ? (props.index ? "no number, with reason" : "absent") : "measured"}
    >
      {props.index?.n_paired_observations ?? 0} observations · coverage {format.ratio(props.index?.coverage_ratio)} · {format.clock(props.index?.window_start_utc)} to{" "}
      {format.clock(props.index?.window_end_utc)}
    </Card>
  );
}
