// What the page asks the server to do. Reading goes through the event stream; these are the writes.

import type {
  AttestAccepted,
  LifecycleAccepted,
  Problem,
  StimulusAccepted,
} from "../generated/schemas";

/** A request that the server refused, or that did not reach it. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly hint: string | null,
    readonly status: number,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 15_000;

/** A fresh name for an intent: repeating the request with the same name repeats nothing. */
export function actionId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

async function post<T>(path: string, body: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Refused("The server does not answer.", "unreachable", "Check that lsie serve is running, then try again.", 0);
  }
  if (answer.ok) return (await answer.json()) as T;
  const problem = (await answer.json().catch(() => null)) as Problem | null;
  throw new Refused(detailOf(problem?.detail), problem?.code ?? "unknown", problem?.hint ?? null, answer.status);
}

/** The detail of a problem as a sentence: it is text, or a list of what is wrong with each field. */
export function detailOf(detail: unknown): string {
  if (typeof detail === "string" && detail) return detail;
  if (Array.isArray(detail)) {
    const parts = detail.map((item: { loc?: unknown[]; msg?: string }) => {
      const field = item.loc?.at(-1);
      return field ? `${String(field)}: ${item.msg ?? "not accepted"}` : (item.msg ?? "not accepted");
    });
    if (parts.length > 0) return parts.join("; ");
  }
  return "The server refused the request.";
}

const at = (id: string) => encodeURIComponent(id);

export const startSession = (streamUrl: string, experimentId: string, action: string): Promise<LifecycleAccepted> =>
  post("/api/v2/sessions", { stream_url: streamUrl, experiment_id: experimentId, client_action_id: action });

export const endSession = (id: string, action: string): Promise<LifecycleAccepted> =>
  post(`/api/v1/sessions/${at(id)}/end`, { client_action_id: action });

export const giveStimulus = (id: string, note: string, action: string): Promise<StimulusAccepted> =>
  post(`/api/v1/operator/sessions/${at(id)}/stimulus`, { operator_note: note || null, client_action_id: action });

export const attest = (
  id: string,
  stimulusId: string,
  delivered: boolean,
  action: string,
): Promise<AttestAccepted> =>
  post(`/api/v2/sessions/${at(id)}/attest`, { stimulus_id: stimulusId, delivered, client_action_id: action });

export const acknowledge = (alertId: string): Promise<unknown> => post(`/api/v2/alerts/${at(alertId)}/acknowledge`, {});

export const resetEngine = (): Promise<unknown> => post("/api/v2/engine/reset", {});
