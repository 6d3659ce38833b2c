// Sessions: newest first, with a filter over what is visible (console 2).

import { createMemo, createSignal, For, onCleanup, onMount, Show, type JSX } from "solid-js";
import * as format from "../format";
import type { Session } from "../generated/schemas";
import { Empty, PageHead, Pill } from "../parts/parts";
import type { Kind } from "../state/kinds";
import { instant, parts, serverNow } from "../state/store";

const KINDS: Record<Session["status"], Kind> = { active: "ok", ended: "neutral", "active conflict": "error" };

export function Sessions(): JSX.Element {
  const [filter, setFilter] = createSignal("");
  let box!: HTMLInputElement;
  const find = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "f") {
      event.preventDefault();
      box.focus();
      box.select();
    }
  };
  onMount(() => addEventListener("keydown", find));
  onCleanup(() => removeEventListener("keydown", find));
  const rows = createMemo(() => {
    const wanted = filter().trim().toLowerCase();
    return (parts.sessions ?? []).filter((row) => cells(row).join(" ").toLowerCase().includes(wanted));
  });
  return (
    <>
      <PageHead title="Sessions">Every session of this installation, newest first.</PageHead>
      <label class="filter">
        <span>Filter</span>
        <input ref={box} type="search" value={filter()} onInput={(event) => setFilter(event.currentTarget.value)} aria-keyshortcuts="Control+F" />
      </label>
      <Show when={parts.sessions?.length} fallback={<Empty title="No session yet">Start one on the page Live Session.</Empty>}>
        <section class="panel">
          <div class="scroll" tabindex="0" role="region" aria-label="Sessions">
            <table>
              <thead>
                <tr>
                  <th scope="col">Started</th>
                  <th scope="col">Status</th>
                  <th scope="col">Experiment</th>
                  <th scope="col" class="wide">
                    Line
                  </th>
                  <th scope="col" class="right">
                    Latest reward
                  </th>
                  <th scope="col" class="right">
                    Duration
                  </th>
                </tr>
              </thead>
              <tbody>
                <For each={rows()}>
                  {(row) => (
                    <tr>
                      <td class="num">{format.time(row.started_at_utc)}</td>
                      <td>
                        <Pill kind={KINDS[row.status]} label={row.status} />
                        <Show when={row.status === "active"}>
                          {" "}
                          <a href="#/live">open</a>
                        </Show>
                      </td>
                      <td>{row.experiment_id ?? format.MISSING}</td>
                      <td class="wide">{row.active_arm ?? format.MISSING}</td>
                      <td class="num right">{format.score(row.latest_reward)}</td>
                      <td class="num right">{format.duration(lasted(row))}</td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
          <Show when={rows().length === 0}>
            <p class="muted">No session matches the filter.</p>
          </Show>
        </section>
      </Show>
    </>
  );
}

const lasted = (row: Session): number | null =>
  row.ended_at_utc ? row.duration_s : (serverNow() - instant(row.started_at_utc)) / 1000;

const cells = (row: Session): string[] => [
  format.time(row.started_at_utc),
  row.status,
  row.experiment_id ?? "",
  row.active_arm ?? "",
  format.score(row.latest_reward),
];
