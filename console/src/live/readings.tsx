// Single readings beside the picture: face, voice level, pitch.

import { For, Show, type JSX } from "solid-js";
import type { ActionUnit, UnitStatistics } from "../generated/schemas";
import * as format from "../format";
import { Facts, Pill } from "../parts/parts";
import { faceless, OLD_MS } from "../state/line";
import { now, parts } from "../state/store";
import { face, heardAt, voice } from "./viewer";

/** The quietest level that the meter shows, dB of full scale. */
const QUIET_DB = -60;

/** Share of the meter that a level fills. */
export const meterShare = (db: number | null | undefined): number =>
  db == null || !Number.isFinite(db) ? 0 : Math.min(1, Math.max(0, 1 - db / QUIET_DB));

const isOld = (): boolean => {
  const at = heardAt();
  return at !== null && now() - at > OLD_MS;
};

export function Voice(): JSX.Element {
  const level = () => voice()?.rmsDbfs ?? null;
  return (
    <section class="panel voice-panel" classList={{ old: isOld() }} aria-label="Voice">
      <div class="card-head">
        <h2>Voice</h2>
        <Pill kind={voice()?.speaking ? "ok" : "neutral"} label={voice() ? (voice()?.speaking ? "speaking" : "silent") : "no sound yet"} />
      </div>
      <div
        class="meter"
        role="meter"
        aria-label="Voice level"
        aria-valuemin={QUIET_DB}
        aria-valuemax={0}
        aria-valuenow={Math.round(Math.max(QUIET_DB, level() ?? QUIET_DB))}
        aria-valuetext={format.level(level())}
      >
        <div class="meter-fill" style={{ "clip-path": `inset(0 ${100 - meterShare(level()) * 100}% 0 0)` }} />
        <div class="meter-peak" style={{ left: `${meterShare(voice()?.peakDbfs) * 100}%` }} />
      </div>
      <Facts
        facts={[
          ["Level", format.level(level())],
          ["Peak", format.level(voice()?.peakDbfs)],
          ["Pitch", format.pitch(voice()?.pitchHz, voice()?.pitchHarmonic)],
          ["Speech", format.confidence(voice()?.speechProbability)],
        ]}
      />
    </section>
  );
}

/** Action units in words that need no handbook. */
const UNITS: readonly (readonly [ActionUnit, string])[] = [
  ["AU12", "Smile"],
  ["AU1", "Inner brows"],
  ["AU2", "Outer brows"],
  ["AU25", "Lips apart"],
  ["AU26", "Jaw dropped"],
  ["AU45", "Eyes shut"],
];

/** What a row of the action units says, for those who do not see it. */
const unitWords = (name: string, now: number | null | undefined, last: UnitStatistics | undefined): string =>
  `${name}: ${now == null ? "no score" : `${format.score(now)} now`}` +
  (last ? `; last segment: median ${format.score(last.median)}, mostly ${format.score(last.p10)} to ${format.score(last.p90)}` : "");

/** Each action unit now, as a mark over the range it mostly had in the last segment. */
function Units(): JSX.Element {
  const last = (unit: ActionUnit) => parts.readback?.segments[0]?.action_units.find((of) => of.unit === unit);
  const current = (unit: ActionUnit) => (unit === "AU12" ? face()?.score : face()?.actionUnits?.[unit]);
  const share = (value: number | null | undefined) => `${Math.min(1, Math.max(0, value ?? 0)) * 100}%`;
  return (
    <ul class="units" aria-label="Action units; the bar is where the score mostly was in the last segment">
      <For each={UNITS}>
        {([unit, name]) => (
          <li aria-label={unitWords(name, current(unit), last(unit))} title={`${unit} · ${unitWords(name, current(unit), last(unit))}`}>
            <span class="muted">{name}</span>
            <div class="range">
              <Show when={last(unit)}>
                {(of) => (
                  <>
                    <div class="range-span" style={{ left: share(of().p10), right: `calc(100% - ${share(of().p90)})` }} />
                    <div class="range-median" style={{ left: share(of().median) }} />
                  </>
                )}
              </Show>
              <Show when={current(unit) != null}>
                <div class="range-now" style={{ left: share(current(unit)) }} />
              </Show>
            </div>
            <span class="num right">{format.score(current(unit))}</span>
          </li>
        )}
      </For>
    </ul>
  );
}

export function Face(): JSX.Element {
  const session = () => parts.live_session;
  const have = () => face()?.calibration.accepted ?? session()?.calibration_frames_accumulated ?? 0;
  const need = () => session()?.calibration_frames_required ?? 45;
  const isCalibrating = () => session()?.is_calibrating !== false && have() < need();
  const pose = () => face()?.pose;
  const degrees = (value: number | undefined) => (value === undefined ? format.MISSING : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(0)}°`);
  return (
    <section class="panel face-panel" classList={{ old: isOld() }} aria-label="Face">
      <div class="card-head">
        <h2>Face</h2>
        <Show when={!isCalibrating()}>
          <Pill kind="ok" label={`neutral baseline · ${have()} face frames`} />
        </Show>
        <Pill
          kind={!face() ? "neutral" : face()?.absent ? "warn" : "ok"}
          label={!face() ? "no reading yet" : face()?.absent ? format.words(face()?.absent) : face()?.faces === 1 ? "measured" : `measured, ${face()?.faces} in view`}
        />
      </div>
      <Show when={isCalibrating()}>
        <div class="calibration">
          <label for="calibration">
            Step 2 of 3 · neutral baseline: {have()}/{need()} face frames
          </label>
          <progress id="calibration" max={need()} value={have()} />
        </div>
      </Show>
      <Show when={face()?.absent} fallback={<span class="sr">The face is measured.</span>}>
        {(reason) => <p class="warn-text">{faceless(reason())}</p>}
      </Show>
      <Facts
        facts={[
          ["Confidence", format.confidence(face()?.confidence)],
          ["Turned", degrees(pose()?.yaw_deg)],
          ["Raised", degrees(pose()?.pitch_deg)],
          ["Tilted", degrees(pose()?.roll_deg)],
        ]}
      />
      <Units />
    </section>
  );
}

/** What the streamer is to say next, and what was learnt about it so far. */
export function Line(): JSX.Element {
  const arm = () => parts.experiment?.arms.find((row) => row.arm_id === parts.live_session?.active_arm);
  return (
    <Show when={arm()}>
      {(row) => (
        <section class="panel line-panel" aria-label="Line to say">
          <div class="card-head">
            <h2>Line to say</h2>
            <span class="muted num">
              Beta({format.score(row().posterior_alpha)}, {format.score(row().posterior_beta)})
            </span>
          </div>
          <blockquote>{row().stimulus_definition.stimulus_payload.text}</blockquote>
          <p class="muted">Expected: {format.cut(row().stimulus_definition.expected_response_rule, 120)}</p>
        </section>
      )}
    </Show>
  );
}
