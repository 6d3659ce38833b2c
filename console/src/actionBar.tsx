// The action bar, on every page: give the stimulus, say whether the line was delivered (console 1).

import { createMemo, Show, type JSX } from "solid-js";
import * as format from "./format";
import { Pill } from "./parts/parts";
import * as actions from "./state/actions";
import { rail } from "./state/rail";
import { connection, parts, serverNow } from "./state/store";

export function ActionBar(): JSX.Element {
  const session = () => parts.live_session;
  const current = createMemo(() =>
    rail({
      session: session(),
      readback: parts.readback,
      isConnected: connection().state === "open",
      isEngineUp: parts.health?.subsystems.find((part) => part.subsystem_key === "engine")?.state === "ok",
      submission: actions.submission(),
      wasMeasuring: actions.wasMeasuring(),
      nowMs: serverNow(),
    }),
  );
  const send = () => {
    const id = session()?.session_id;
    if (id && current().isEnabled) void actions.stimulate(id);
  };
  const judge = (delivered: boolean) => {
    const id = session()?.session_id;
    const stimulus = parts.readback?.stimulus_id;
    if (id && stimulus) void actions.judge(id, stimulus, delivered);
  };
  /** The line that is to be said. */
  const text = () => parts.experiment?.arms.find((arm) => arm.arm_id === session()?.active_arm)?.stimulus_definition.stimulus_payload.text;
  const attested = () => parts.readback?.encounters[0]?.semantic_method === "operator_attested";
  return (
    <section class="action-bar" aria-label="Stimulus">
      <div class="line-now">
        <span class="mono" title={session()?.session_id}>
          {format.shortId(session()?.session_id)}
        </span>
        <strong class="say" title={session()?.active_arm ?? undefined}>{text() ? `“${text()}”` : (session()?.active_arm ?? format.MISSING)}</strong>
        <span class="expected" title={session()?.expected_response_text ?? undefined}>
          {session() ? `expected: ${format.cut(session()?.expected_response_text, 80)}` : ""}
        </span>
      </div>
      <Show when={session() && !current().asksAttestation}>
        <label class="note">
          <span class="sr">Note for the next stimulus</span>
          <input
            type="text"
            maxlength="500"
            placeholder="Note (optional)"
            value={actions.note()}
            onInput={(event) => actions.setNote(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Enter" && send()}
          />
        </label>
      </Show>
      <Show when={current().asksAttestation}>
        <div class="attest" role="group" aria-label="Was the line delivered?">
          <span class="ask">Delivered?</span>
          <button type="button" class="secondary" disabled={actions.attesting()} aria-pressed={attested()} onClick={() => judge(true)}>
            Yes, delivered
          </button>
          <button type="button" class="secondary" disabled={actions.attesting()} onClick={() => judge(false)}>
            No
          </button>
        </div>
      </Show>
      <div class="rail-state">
        <Pill kind={current().kind} label={current().pill} />
        <Show when={current().countdownSecs !== null}>
          <span class="countdown" role="timer" aria-label="Measurement ends in">
            {format.countdown(current().countdownSecs)}
          </span>
        </Show>
        <button type="button" class="primary" data-testid="stimulus" disabled={!current().isEnabled} aria-describedby="rail-message" onClick={send}>
          {current().button}
        </button>
      </div>
      <p id="rail-message" class={`rail-message ${current().state === "failed" ? "error" : ""}`} role="status">
        {actions.attestFailure()?.message ?? (attested() && current().asksAttestation ? "You said: delivered. It counts when the window closes." : current().message) ?? ""}
      </p>
    </section>
  );
}
