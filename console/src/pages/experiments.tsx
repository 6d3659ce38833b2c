// Experiments: the evidence for each line of the open session's experiment. Read only; no line is called a winner (console 2).

import { createMemo, For, Show, type JSX } from "solid-js";
import * as format from "../format";
import type { Arm } from "../generated/schemas";
import { Card, Empty, PageHead, Pill } from "../parts/parts";
import type { Kind } from "../state/kinds";
import { parts } from "../state/store";

/** What may be said of a line's evidence. */
export function labelOf(arm: Arm): { kind: Kind; label: string } {
  if (!arm.enabled) return { kind: "muted", label: "Disabled" };
  if (arm.selection_count === 0) return { kind: "info", label: "Needs first try" };
  if ((arm.evaluation_variance ?? 1) <= 0.02 && arm.selection_count >= 5) return { kind: "ok", label: "Lower uncertainty so far" };
  return { kind: "progress", label: "Still learning" };
}

export function Experiments(): JSX.Element {
  const detail = () => parts.experiment;
  const arms = createMemo(() => {
    const active = detail()?.active_arm_id;
    const rank = (arm: Arm) => (arm.arm_id === active ? 0 : arm.enabled ? 1 : 2);
    return [...(detail()?.arms ?? [])].sort((a, b) => rank(a) - rank(b) || a.arm_id.localeCompare(b.arm_id));
  });
  return (
    <>
      <PageHead title="Experiments">The lines that are tried, and what was learnt about each.</PageHead>
      <Show when={detail()} fallback={<Known />}>
        {(open) => (
          <>
            <div class="grid">
              <Card title="Experiment" value={open().label ?? open().experiment_id} kind="info" pill="sampling">
                {open().arms.length} lines
              </Card>
              <Card title="Active line" value={open().active_arm_id ?? format.MISSING} kind="ok">
                chosen {format.clock(open().decision_evidence?.selection_time_utc)} by {open().decision_evidence?.policy_version ?? format.MISSING}
              </Card>
              <Card title="Newest update" value={format.time(open().last_updated_utc)} kind="neutral">
                {open().last_update_summary ?? "Nothing was learnt yet."}
              </Card>
            </div>
            <section class="panel">
              <h2>Lines</h2>
              <div class="scroll" tabindex="0" role="region" aria-label="Lines">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Line</th>
                      <th scope="col">Text</th>
                      <th scope="col">Evidence</th>
                      <th scope="col">Belief</th>
                      <th scope="col" class="right wide">
                        Variance
                      </th>
                      <th scope="col" class="right">
                        Tries
                      </th>
                      <th scope="col" class="right wide">
                        Recent reward
                      </th>
                      <th scope="col" class="right wide">
                        Delivered
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    <For each={arms()}>
                      {(arm) => (
                        <tr>
                          <th scope="row">{arm.arm_id}</th>
                          <td>{format.cut(arm.stimulus_definition.stimulus_payload.text, 60)}</td>
                          <td>
                            <Pill kind={labelOf(arm).kind} label={`${arm.arm_id === open().active_arm_id ? "Active · " : ""}${labelOf(arm).label}`} />
                          </td>
                          <td class="num">
                            Beta({format.score(arm.posterior_alpha)}, {format.score(arm.posterior_beta)})
                          </td>
                          <td class="num right wide">{format.score(arm.evaluation_variance)}</td>
                          <td class="num right">{arm.selection_count}</td>
                          <td class="num right wide">{format.score(arm.recent_reward_mean)}</td>
                          <td class="num right wide">{format.ratio(arm.recent_semantic_pass_rate)}</td>
                        </tr>
                      )}
                    </For>
                  </tbody>
                </table>
              </div>
            </section>
          </>
        )}
      </Show>
    </>
  );
}

/** Without an open session only the list of experiments is known. */
function Known(): JSX.Element {
  return (
    <Show when={parts.experiment_summaries?.length} fallback={<Empty title="No experiment yet">The server brings one along on its first start.</Empty>}>
      <div class="grid">
        <For each={parts.experiment_summaries}>
          {(row) => (
            <Card title={row.experiment_id} value={row.label ?? row.experiment_id} kind="neutral" pill="idle">
              {row.arm_count} lines · latest reward {format.score(row.latest_reward)} · the evidence of each line shows while a session is open
            </Card>
          )}
        </For>
      </div>
    </Show>
  );
}
