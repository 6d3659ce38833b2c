// The one store: what the server said last, part by part. Pages read it; nothing here is state that the server does not own.

import { batch, createSignal } from "solid-js";
import { createStore, reconcile } from "solid-js/store";
import { follow, type Connection } from "../api/stream";
import type { StreamEvent } from "../api/sse";
import type {
  Alert,
  EventEnvelope,
  EventType,
  ExperimentDetail,
  ExperimentSummary,
  Health,
  LiveReadback,
  Overview,
  Physiology,
  Session,
} from "../generated/schemas";

/** The parts of the state, as the server sends them; null until it has, and where there is nothing. */
export interface Parts {
  overview: Overview | null;
  sessions: Session[] | null;
  live_session: Session | null;
  experiment_summaries: ExperimentSummary[] | null;
  experiment: ExperimentDetail | null;
  physiology: Physiology | null;
  health: Health | null;
  alerts: Alert[] | null;
  readback: LiveReadback | null;
}

/** Parts that are lists; the others are sent as an empty list when there is nothing. */
const LISTS: ReadonlySet<string> = new Set<EventType>(["sessions", "experiment_summaries", "alerts"]);

const [parts, setParts] = createStore<Parts>({
  overview: null,
  sessions: null,
  live_session: null,
  experiment_summaries: null,
  experiment: null,
  physiology: null,
  health: null,
  alerts: null,
  readback: null,
});
const [connection, setConnection] = createSignal<Connection>({ state: "connecting" });
const [isLoaded, setLoaded] = createSignal(false);
const [now, setNow] = createSignal(Date.now());
/** Our clock less the server's, milliseconds: the smallest difference that was seen, which holds the least waiting. */
let skewMs: number | null = null;
/** Counts what the stream sent and nobody could read. */
const [unreadable, setUnreadable] = createSignal(0);

export { parts, connection, isLoaded, now, unreadable };

/** The server's clock, milliseconds since 1970, as far as we know it. */
export const serverNow = (): number => now() - (skewMs ?? 0);

/** Milliseconds since 1970 of one of the server's instants; NaN when it is none. */
export const instant = (text: string | null | undefined): number => (text ? Date.parse(text) : Number.NaN);

/** Takes one event of the stream. */
export function take(event: StreamEvent, receivedAt: number): void {
  let envelope: EventEnvelope;
  try {
    envelope = JSON.parse(event.data) as EventEnvelope;
  } catch {
    setUnreadable((count) => count + 1);
    return;
  }
  const kind = envelope.event_type;
  if (!(kind in parts)) return;
  const sentAt = instant(envelope.generated_at_utc);
  if (Number.isFinite(sentAt)) skewMs = Math.min(skewMs ?? Number.POSITIVE_INFINITY, receivedAt - sentAt);
  const payload = envelope.payload;
  const isNothing = Array.isArray(payload) && !LISTS.has(kind);
  batch(() => {
    setParts(kind as keyof Parts, reconcile((isNothing ? null : payload) as never, { key: keyOf(kind) }));
    if (kind === "readback" || kind === "alerts") setLoaded(true);
  });
}

function keyOf(kind: EventType): string {
  if (kind === "alerts") return "alert_id";
  if (kind === "experiment_summaries") return "experiment_id";
  if (kind === "readback") return "encounter_id";
  return "session_id";
}

/** Connects to the server and keeps the clock of the page. */
export function start(): () => void {
  const stop = follow("/api/v2/state/events", {
    event: (event) => take(event, Date.now()),
    connection: (state) => {
      // A server that was started anew may run on another clock.
      if (state.state === "lost") skewMs = null;
      setConnection(state);
    },
  });
  const ticking = setInterval(() => setNow(Date.now()), 250);
  return () => {
    clearInterval(ticking);
    stop();
  };
}
