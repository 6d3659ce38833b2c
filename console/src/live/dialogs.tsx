// Starting and ending a session.

import { createSignal, For, Show, type JSX } from "solid-js";
import { Banner, Dialog } from "../parts/parts";
import * as actions from "../state/actions";
import { parts } from "../state/store";
import { sourceFault, SOURCES } from "../state/source";

export function StartDialog(props: { onClose: () => void }): JSX.Element {
  const experiments = () => parts.experiment_summaries ?? [];
  const [source, setSource] = createSignal<string>(SOURCES[0][0]);
  const [experiment, setExperiment] = createSignal(experiments()[0]?.experiment_id ?? "");
  const [failure, setFailure] = createSignal<actions.Failure | null>(null);
  const [isTouched, setTouched] = createSignal(false);
  const fault = () => sourceFault(source());
  const isBusy = () => actions.starting() !== null;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setTouched(true);
    if (fault() || !experiment() || isBusy()) return;
    const failed = await actions.start(source().trim(), experiment());
    setFailure(failed);
    if (!failed) props.onClose();
  };
  return (
    <Dialog title="Start a session" onClose={props.onClose}>
      <form onSubmit={(event) => void submit(event)} novalidate>
        <label class="field">
          <span>Source</span>
          <input
            type="text"
            list="sources"
            value={source()}
            autocomplete="off"
            spellcheck={false}
            aria-invalid={isTouched() && fault() !== null}
            aria-describedby="source-help"
            onInput={(event) => (setSource(event.currentTarget.value), setFailure(null))}
          />
          <datalist id="sources">
            <For each={SOURCES}>{([address, words]) => <option value={address}>{words}</option>}</For>
          </datalist>
          <small id="source-help" classList={{ "error-text": isTouched() && fault() !== null }}>
            {(isTouched() && fault()) || SOURCES.find(([address]) => address === source().trim())?.[1] || "opened as it is written"}
          </small>
        </label>
        <label class="field">
          <span>Experiment</span>
          <select value={experiment()} onChange={(event) => setExperiment(event.currentTarget.value)} disabled={experiments().length === 0}>
            <For each={experiments()}>{(row) => <option value={row.experiment_id}>{row.label ?? row.experiment_id}</option>}</For>
          </select>
          <Show when={experiments().length === 0}>
            <small class="error-text">There is no experiment yet, so there is nothing to try.</small>
          </Show>
        </label>
        <Show when={failure()}>
          {(failed) => (
            <Banner kind="error" title="The session was not started." live="assertive">
              {failed().message}. {failed().hint}
            </Banner>
          )}
        </Show>
        <div class="dialog-actions">
          <button type="button" class="secondary" onClick={() => props.onClose()}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={isBusy() || experiments().length === 0}>
            {isBusy() ? "Opening the source…" : "Start"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

export function EndDialog(props: { session: string; onClose: () => void }): JSX.Element {
  const isOpen = () => (parts.readback?.encounter_state ?? "awaiting_stimulus") !== "awaiting_stimulus";
  return (
    <Dialog title="End this session?" onClose={props.onClose}>
      <p>The source is closed. What was learnt stays; the session cannot be opened again.</p>
      <Show when={isOpen()}>
        <Banner kind="warn" title="A stimulus is still being measured.">
          A window that is not closed yet is given up and nothing is learnt from it.
        </Banner>
      </Show>
      <div class="dialog-actions">
        <button type="button" class="secondary" autofocus onClick={() => props.onClose()}>
          Keep it open
        </button>
        <button
          type="button"
          class="danger"
          onClick={() => {
            void actions.end(props.session);
            props.onClose();
          }}
        >
          End the session
        </button>
      </div>
    </Dialog>
  );
}
