// Overview: what runs, can it be trusted, what needs me (console 2).

import { For, Show, type JSX } from "solid-js";
import * as format from "../format";
import { Card, PageHead, Pill } from "../parts/parts";
import { ofHealth, ofSeverity, phraseOf, type Kind } from "../state/kinds";
import { instant, parts, serverNow } from "../state/store";
import { newest, verdict } from "../state/verdict";

const ALERTS = 8;

export function OverviewPage(): JSX.Element {
  return (
    <>
      <PageHead title="Overview">What runs, whether it can be trusted, and what needs you.</PageHead>
      <h2 class="band">Now</h2>
      <div class="grid">
        <ActiveSession />
        <Experiment />
      </div>
      <h2 class="band">Trust</h2>
      <div class="grid">
        <LatestEncounter />
        <Physiology />
      </div>
      <h2 class="band">Needs attention</h2>
      <div class="grid">
        <HealthCard />
        <Attention />
      </div>
      <AlertRows />
    </>
  );
}

function ActiveSession(): JSX.Element {
  const session = () => parts.live_session;
  const kind = (): Kind => (!session() ? "neutral" : session()?.status === "active conflict" ? "error" : "ok");
  return (
    <Card title="Active session" value={format.shortId(session()?.session_id)} kind={kind()} pill={session()?.status ?? "idle"} {...(session() ? { href: "#/live" } : {})}>
      <Show when={session()} fallback="No session is open.">
        {(open) => (
          <>
            {open().active_arm ?? format.MISSING} · {format.cut(open().expected_response_text, 42)} ·{" "}
            {format.duration((serverNow() - instant(open().started_at_utc)) / 1000)}
          </>
        )}
      </Show>
    </Card>
  );
}

function Experiment(): JSX.Element {
  const summary = () =>
    parts.experiment_summaries?.find((row) => row.experiment_id === parts.live_session?.experiment_id) ?? parts.experiment_summaries?.[0];
  return (
    <Card title="Experiment" value={summary()?.label ?? summary()?.experiment_id ?? format.MISSING} kind={parts.live_session ? "info" : "neutral"} pill={parts.live_session ? "sampling" : "idle"} href="#/experiments">
      {summary()?.arm_count ?? 0} lines · latest reward {format.score(summary()?.latest_reward)}
    </Card>
  );
}

function LatestEncounter(): JSX.Element {
  const encounter = () => newest(parts.readback?.encounters);
  const latest = () => parts.overview?.latest_encounter;
  const said = () => {
    const open = encounter();
    return open ? verdict(open) : null;
  };
  return (
    <Card title="Latest encounter" value={format.score((encounter() ?? latest())?.gated_reward)} kind={said()?.kind ?? "neutral"} pill={said()?.pill ?? (latest() ? format.words(latest()?.state) : "none yet")}>
      <Show when={encounter() ?? latest()} fallback="Nothing was tried yet.">
        {(row) => (
          <>
            P90 {format.score(row().p90_intensity)} · gate {row().semantic_gate ?? format.MISSING} · {row().n_frames_in_window ?? 0} frames ·{" "}
            {format.clock(row().segment_timestamp_utc)}
          </>
        )}
      </Show>
    </Card>
  );
}

function Physiology(): JSX.Element {
  const roles = () => [parts.physiology?.streamer, parts.physiology?.operator].filter((role) => role?.rmssd_ms != null);
  const isStale = () => roles().some((role) => role?.is_stale);
  const kind = (): Kind => (roles().length === 0 ? "neutral" : isStale() ? "warn" : "ok");
  return (
    <Card title="Physiology" value={format.rmssd(roles()[0]?.rmssd_ms)} kind={kind()} pill={roles().length === 0 ? "absent" : isStale() ? "stale" : "fresh"} href="#/physiology">
      {roles().length === 0 ? "No wearable sent anything." : "RMSSD, newest value"}
    </Card>
  );
}

function HealthCard(): JSX.Element {
  const state = () => parts.health?.overall_state ?? "unknown";
  return (
    <Card title="Health" value={phraseOf(state())} kind={ofHealth(state())} pill={state()} href="#/health">
      {parts.health?.error_count ?? 0} errors · {parts.health?.degraded_count ?? 0} degraded · {parts.health?.recovering_count ?? 0} recovering
    </Card>
  );
}

function Attention(): JSX.Element {
  const open = () => (parts.alerts ?? []).filter((alert) => !alert.acknowledged);
  const count = (severity: string) => open().filter((alert) => alert.severity === severity).length;
  const kind = (): Kind => (count("critical") ? "error" : count("warning") ? "warn" : open().length ? "info" : "ok");
  return (
    <Card title="Attention" value={String(open().length)} kind={kind()} pill={open().length === 0 ? "clear" : "look"} href="#/health">
      {count("critical")} critical · {count("warning")} warnings
    </Card>
  );
}

function AlertRows(): JSX.Element {
  return (
    <Show when={parts.alerts?.length}>
      <section class="panel">
        <h2>Newest alerts</h2>
        <ul class="rows">
          <For each={parts.alerts?.slice(0, ALERTS)}>
            {(alert) => (
              <li>
                <Pill kind={ofSeverity(alert.severity)} label={alert.severity} />
                <span>{alert.message}</span>
                <span class="muted num">
                  {format.words(alert.kind)} · {format.clock(alert.emitted_at_utc)}
                </span>
              </li>
            )}
          </For>
        </ul>
      </section>
    </Show>
  );
}
