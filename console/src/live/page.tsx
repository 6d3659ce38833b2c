// Live Session: act, watch, understand (console 2).

import { createEffect, createMemo, createSignal, For, onCleanup, Show, type JSX } from "solid-js";
import * as format from "../format";
import { Banner, Empty, PageHead, Pill } from "../parts/parts";
import * as actions from "../state/actions";
import { ofHealth, worst, type Kind } from "../state/kinds";
import { line } from "../state/line";
import { connection, instant, now, parts, serverNow } from "../state/store";
import { Curve } from "./curve";
import { EndDialog, StartDialog } from "./dialogs";
import { Encounters } from "./encounters";
import { Picture } from "./picture";
import { Face, Line, Voice } from "./readings";
import { face, heardAt, look, malformed, picture, pictureWhy, voice } from "./viewer";

export function Live(): JSX.Element {
  const [dialog, setDialog] = createSignal<"start" | "end" | null>(null);
  const session = () => parts.live_session;
  const id = createMemo(() => session()?.session_id ?? null);
  createEffect(() => look(id()));
  onCleanup(() => look(null));
  return (
    <>
      <PageHead
        title="Live Session"
        actions={
          <Show
            when={session()}
            fallback={
              <button type="button" class="primary" disabled={cannotStart()} onClick={() => setDialog("start")}>
                {actions.starting() ? "Starting…" : "Start session"}
              </button>
            }
          >
            <button type="button" class="secondary" disabled={actions.ending() !== null || connection().state !== "open"} onClick={() => setDialog("end")}>
              {actions.ending() ? "Ending…" : "End session"}
            </button>
          </Show>
        }
      >
        <Show when={session()} fallback="Open a source, then watch, try a line and see what it earns.">
          {(open) => (
            <>
              <span class="mono">{format.shortId(open().session_id)}</span> · {parts.readback?.source_url ?? format.MISSING} ·{" "}
              {format.duration((serverNow() - instant(open().started_at_utc)) / 1000)}
            </>
          )}
        </Show>
      </PageHead>
      <Show when={session()}>
        <StateLine />
      </Show>
      <Show when={actions.sessionFailure()}>
        {(failed) => (
          <Banner
            kind="error"
            title={failed().message}
            live="assertive"
            action={
              <button type="button" class="secondary small" onClick={() => actions.dismissFailure()}>
                Dismiss
              </button>
            }
          >
            {failed().hint}
          </Banner>
        )}
      </Show>
      <Show when={session()} fallback={<Gate onStart={() => setDialog("start")} />}>
        <div class="live-grid">
          <Picture />
          <div class="side">
            <Face />
            <Voice />
            <Line />
          </div>
        </div>
        <Curve />
        <Encounters />
      </Show>
      <Show when={dialog() === "start"}>
        <StartDialog onClose={() => setDialog(null)} />
      </Show>
      <Show when={dialog() === "end" && id()}>{(open) => <EndDialog session={open()} onClose={() => setDialog(null)} />}</Show>
    </>
  );
}

/** A session is being started, or nobody is there to start one. */
const cannotStart = (): boolean => actions.starting() !== null || connection().state !== "open";

function StateLine(): JSX.Element {
  const current = createMemo(() => {
    const at = heardAt();
    return line({
      isConnected: connection().state !== "lost",
      engine: parts.health?.subsystems.find((part) => part.subsystem_key === "engine")?.state ?? null,
      session: parts.live_session,
      readback: parts.readback,
      picture: picture(),
      pictureWhy: pictureWhy(),
      ageMs: at === null ? null : Math.max(0, now() - at),
      absent: face()?.absent ?? null,
    });
  });
  return (
    <section class={`state-line ${current().kind}`} aria-label="State">
      <span class="dot" aria-hidden="true" />
      <strong role="status">{current().what}</strong>
      <Show when={current().age}>
        <span class="muted num age">{current().age}</span>
      </Show>
      <Show when={current().next}>
        <span class="next">{current().next}</span>
      </Show>
      <span class="spring" />
      <Strip />
    </section>
  );
}

/** What must be there for a stimulus to count, one pill each. */
function Strip(): JSX.Element {
  const part = (key: string): Kind => ofHealth(parts.health?.subsystems.find((entry) => entry.subsystem_key === key)?.state ?? "unknown");
  const pills = createMemo<{ label: string; kind: Kind }[]>(() => [
    { label: "source", kind: part("source") },
    { label: "models", kind: part("models") },
    { label: "picture", kind: picture() === "playing" ? "ok" : picture() === "connecting" ? "progress" : picture() === "off" ? "neutral" : "warn" },
    { label: "sound", kind: voice() ? "ok" : "neutral" },
    { label: "face", kind: part("face") },
  ]);
  return (
    <ul class={`strip ${worst(pills().map((pill) => pill.kind))}`} aria-label="Readiness">
      <For each={pills()}>
        {(pill) => (
          <li>
            <Pill kind={pill.kind} label={pill.label} {...(malformed() > 0 ? { title: `${malformed()} messages could not be read` } : {})} />
          </li>
        )}
      </For>
    </ul>
  );
}

/** Nothing is open yet. */
function Gate(props: { onStart: () => void }): JSX.Element {
  const phrase = () => parts.health?.subsystems.find((entry) => entry.subsystem_key === "models");
  return (
    <Empty
      title="Step 1 of 3: open a source"
      action={
        <button type="button" class="primary" disabled={cannotStart()} onClick={() => props.onStart()}>
          {actions.starting() ? "Starting…" : "Start session"}
        </button>
      }
    >
      Plug in a phone, publish a camera, or take the demo presenter. Then a neutral face for a few seconds, and the first line can be tried.
      <Show when={phrase()?.state === "degraded"}>
        <br />
        Models are missing: {phrase()?.operator_action_hint}.
      </Show>
    </Empty>
  );
}
