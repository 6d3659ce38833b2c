// What the operator asked for and how far it is. A control stays busy until the server's own state shows the result.

import { createEffect, createRoot, createSignal } from "solid-js";
import * as client from "../api/client";
import { Intent, mayHaveArrived } from "./intent";
import { parts } from "./store";
import type { Submission } from "./rail";

export interface Failure {
  message: string;
  hint: string | null;
}

/** How long a control stays busy for a result that does not show. */
const PATIENCE_MS = 20_000;

const [starting, setStarting] = createSignal<string | null>(null);
const [ending, setEnding] = createSignal<string | null>(null);
const [submission, setSubmission] = createSignal<Submission>({ state: "idle" });
const [attesting, setAttesting] = createSignal(false);
const [sessionFailure, setSessionFailure] = createSignal<Failure | null>(null);
const [attestFailure, setAttestFailure] = createSignal<Failure | null>(null);
const [wasMeasuring, setWasMeasuring] = createSignal(false);
const [note, setNote] = createSignal("");

export { starting, ending, submission, attesting, sessionFailure, attestFailure, wasMeasuring, note, setNote };

const startIntent = new Intent(client.actionId);
const endIntent = new Intent(client.actionId);
const stimulusIntent = new Intent(client.actionId);

const failureOf = (error: unknown): Failure =>
  error instanceof client.Refused
    ? { message: error.message, hint: error.hint }
    : { message: error instanceof Error ? error.message : String(error), hint: null };

/** Opens a source. Gives what went wrong, or null. */
export async function start(streamUrl: string, experimentId: string): Promise<Failure | null> {
  setSessionFailure(null);
  setStarting("asked");
  try {
    const accepted = await client.startSession(streamUrl, experimentId, startIntent.nameOf(`${streamUrl} ${experimentId}`));
    startIntent.settle();
    setStarting(accepted.session_id);
    setTimeout(() => setStarting((now) => (now === accepted.session_id ? null : now)), PATIENCE_MS);
    return null;
  } catch (error) {
    if (!mayHaveArrived(error)) startIntent.settle();
    setStarting(null);
    return failureOf(error);
  }
}

/** Closes the session. */
export async function end(sessionId: string): Promise<void> {
  setSessionFailure(null);
  setEnding(sessionId);
  try {
    await client.endSession(sessionId, endIntent.nameOf(sessionId));
    endIntent.settle();
    setTimeout(() => setEnding((now) => (now === sessionId ? null : now)), PATIENCE_MS);
  } catch (error) {
    if (!mayHaveArrived(error)) endIntent.settle();
    setEnding(null);
    setSessionFailure(failureOf(error));
  }
}

/** Gives the stimulus now, or tries the failed one again. */
export async function stimulate(sessionId: string): Promise<void> {
  if (submission().state === "sending") return;
  setSubmission({ state: "sending" });
  try {
    const accepted = await client.giveStimulus(sessionId, note().trim(), stimulusIntent.nameOf(sessionId));
    stimulusIntent.settle();
    setSubmission(accepted.accepted ? { state: "idle" } : { state: "failed", message: accepted.message ?? "It was not taken." });
    if (accepted.accepted) setNote("");
  } catch (error) {
    const failure = failureOf(error);
    if (!mayHaveArrived(error)) stimulusIntent.settle();
    setSubmission({ state: "failed", message: [failure.message, failure.hint].filter(Boolean).join(" ") });
  }
}

/** Says whether the line was delivered. */
export async function judge(sessionId: string, stimulusId: string, delivered: boolean): Promise<void> {
  setAttestFailure(null);
  setAttesting(true);
  try {
    await client.attest(sessionId, stimulusId, delivered, client.actionId());
  } catch (error) {
    setAttestFailure(failureOf(error));
  } finally {
    setAttesting(false);
  }
}

export const dismissFailure = (): void => {
  setSessionFailure(null);
  setAttestFailure(null);
};

createRoot(() => {
  createEffect(() => {
    const live = parts.live_session;
    if (live && live.session_id === starting()) setStarting(null);
    if (ending() && live?.session_id !== ending()) setEnding(null);
  });
  createEffect<string | undefined>((before) => {
    const state = parts.readback?.encounter_state;
    if (state === "awaiting_stimulus" && (before === "measuring" || before === "awaiting_attestation")) setWasMeasuring(true);
    if (state !== undefined && state !== "awaiting_stimulus") {
      setWasMeasuring(false);
      if (submission().state === "failed") setSubmission({ state: "idle" });
    }
    return state;
  });
  createEffect<string | undefined>((before) => {
    const id = parts.live_session?.session_id;
    if (id !== before) {
      setWasMeasuring(false);
      setSubmission({ state: "idle" });
      stimulusIntent.settle();
    }
    return id;
  });
});
