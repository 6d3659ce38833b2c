// What was tried: verdict first, then the reward term by term, then what was observed beside it.

import { createEffect, createMemo, createSignal, For, Show, type JSX } from "solid-js";
import * as format from "../format";
import type { EncounterV2 } from "../generated/schemas";
import { Banner, Pill } from "../parts/parts";
import { parts } from "../state/store";
import { observed, terms, verdict, type Term } from "../state/verdict";

export function Encounters(): JSX.Element {
  const rows = () => parts.readback?.encounters ?? [];
  const [chosen, setChosen] = createSignal<string | null>(null);
  const newest = createMemo(() => rows()[0]?.encounter_id ?? null);
  // A new encounter is looked at; the one that was chosen stays as long as nothing newer happens.
  createEffect(() => setChosen(newest()));
  const selected = createMemo(() => rows().find((row) => row.encounter_id === chosen()) ?? rows()[0] ?? null);
  return (
    <div class="split">
      <Show when={selected()} fallback={<NothingYet />}>
        {(row) => <Detail row={row()} />}
      </Show>
      <section class="panel">
        <h2>Encounters</h2>
        <Show when={rows().length > 0} fallback={<p class="muted">Each stimulus of this session will stand here with its reward.</p>}>
          <div class="scroll tall" tabindex="0" role="region" aria-label="Encounters">
            <table class="selectable">
              <thead>
                <tr>
                  <th scope="col">Time</th>
                  <th scope="col">State</th>
                  <th scope="col">Line</th>
                  <th scope="col" class="right wide">
                    Smile
                  </th>
                  <th scope="col" class="right">
                    Reward
                  </th>
                  <th scope="col" class="right wide">
                    Frames
                  </th>
                </tr>
              </thead>
              <tbody>
                <For each={rows()}>
                  {(row) => (
                    <tr classList={{ chosen: row.encounter_id === selected()?.encounter_id }}>
                      <td class="num">
                        <button type="button" class="link" aria-pressed={row.encounter_id === selected()?.encounter_id} onClick={() => setChosen(row.encounter_id)}>
                          {format.clock(row.stimulus_time_utc)}
                        </button>
                      </td>
                      <td>
                        <Pill kind={verdict(row).kind} label={verdict(row).pill} />
                      </td>
                      <td>{row.active_arm ?? format.MISSING}</td>
                      <td class="num right wide">{format.score(row.p90_intensity)}</td>
                      <td class="num right">{format.score(row.gated_reward)}</td>
                      <td class="num right wide">{row.n_frames_in_window ?? format.MISSING}</td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
        </Show>
      </section>
    </div>
  );
}

function NothingYet(): JSX.Element {
  return (
    <section class="panel">
      <h2>Reward</h2>
      <p class="muted">Give a stimulus: five seconds later the strongest smile is measured, and the reward is explained here term by term.</p>
    </section>
  );
}

function Detail(props: { row: EncounterV2 }): JSX.Element {
  const said = () => verdict(props.row);
  return (
    <section class="panel reward" aria-label="Reward">
      <div class="card-head">
        <h2>Reward</h2>
        <span class="muted num">{format.time(props.row.stimulus_time_utc)}</span>
      </div>
      <Banner kind={said().kind} title={said().sentence} />
      <Show when={terms(props.row).length > 0}>
        <Terms rows={terms(props.row)} class="terms" />
        <h3>Observed beside it, never part of the reward</h3>
        <Terms rows={observed(props.row)} class="terms quiet" />
      </Show>
    </section>
  );
}

function Terms(props: { rows: readonly Term[]; class: string }): JSX.Element {
  return (
    <dl class={props.class}>
      <For each={props.rows}>
        {(term) => (
          <div>
            <dt>{term.name}</dt>
            <dd class="value">{term.value}</dd>
            <dd class="meaning">{term.meaning}</dd>
          </div>
        )}
      </For>
    </dl>
  );
}
