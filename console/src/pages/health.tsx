// Health: every part with what is happening and what to do, then the alerts (console 2).

import { createSignal, For, Show, type JSX } from "solid-js";
import { acknowledge, Refused, resetEngine } from "../api/client";
import * as format from "../format";
import { Banner, Card, PageHead, Pill } from "../parts/parts";
import { ofHealth, ofSeverity, phraseOf } from "../state/kinds";
import { parts } from "../state/store";

export function HealthPage(): JSX.Element {
  const health = () => parts.health;
  const [failure, setFailure] = createSignal<string | null>(null);
  const tryTo = async (request: Promise<unknown>) => {
    setFailure(null);
    try {
      await request;
    } catch (error) {
      setFailure(error instanceof Refused ? error.message : String(error));
    }
  };
  const isDown = () => health()?.subsystems.find((part) => part.subsystem_key === "engine")?.state === "error";
  return (
    <>
      <PageHead
        title="Health"
        actions={
          <Show when={isDown()}>
            <button type="button" class="primary" onClick={() => void tryTo(resetEngine())}>
              Start the media engine again
            </button>
          </Show>
        }
      >
        Every part: what is happening and what to do.
      </PageHead>
      <Show when={failure()}>{(words) => <Banner kind="error" title={words()} live="assertive" />}</Show>
      <div class="grid">
        <Card title="Overall" value={phraseOf(health()?.overall_state ?? "unknown")} kind={ofHealth(health()?.overall_state ?? "unknown")} pill={health()?.overall_state ?? "unknown"} />
        <Card title="Degraded" value={String(health()?.degraded_count ?? format.MISSING)} kind={health()?.degraded_count ? "warn" : "neutral"} />
        <Card title="Recovering" value={String(health()?.recovering_count ?? format.MISSING)} kind={health()?.recovering_count ? "progress" : "neutral"} />
        <Card title="Errors" value={String(health()?.error_count ?? format.MISSING)} kind={health()?.error_count ? "error" : "neutral"}>
          {health()?.subsystems.find((part) => part.state === "error")?.operator_action_hint}
        </Card>
      </div>
      <section class="panel">
        <h2>Parts</h2>
        <div class="scroll" tabindex="0" role="region" aria-label="Parts">
          <table>
            <thead>
              <tr>
                <th scope="col">Part</th>
                <th scope="col">State</th>
                <th scope="col">What is happening</th>
                <th scope="col" class="wide">
                  Last sign of life
                </th>
                <th scope="col">What to do</th>
              </tr>
            </thead>
            <tbody>
              <For each={health()?.subsystems}>
                {(part) => (
                  <tr>
                    <th scope="row">{part.label}</th>
                    <td>
                      <Pill kind={ofHealth(part.state)} label={part.state} />
                    </td>
                    <td>{[part.detail && format.words(part.detail), part.recovery_mode].filter(Boolean).join(" · ") || phraseOf(part.state)}</td>
                    <td class="wide num">{format.clock(part.last_success_utc)}</td>
                    <td>{part.operator_action_hint ?? format.MISSING}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </div>
      </section>
      <section class="panel">
        <h2>Alerts</h2>
        <Show when={parts.alerts?.length} fallback={<p class="muted">Nothing has happened that needs you.</p>}>
          <div class="scroll" tabindex="0" role="region" aria-label="Alerts">
            <table>
              <thead>
                <tr>
                  <th scope="col">Time</th>
                  <th scope="col">Severity</th>
                  <th scope="col">What</th>
                  <th scope="col">
                    <span class="sr">Seen</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                <For each={parts.alerts}>
                  {(alert) => (
                    <tr>
                      <td class="num">{format.time(alert.emitted_at_utc)}</td>
                      <td>
                        <Pill kind={ofSeverity(alert.severity)} label={alert.severity} />
                      </td>
                      <td>{alert.message}</td>
                      <td>
                        <Show when={!alert.acknowledged} fallback={<span class="muted">seen</span>}>
                          <button type="button" class="secondary small" aria-label={`Mark as seen: ${alert.message}`} onClick={() => void tryTo(acknowledge(alert.alert_id))}>
                            Seen
                          </button>
                        </Show>
                      </td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
        </Show>
      </section>
    </>
  );
}
