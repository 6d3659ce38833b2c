// The event stream of the server: keeps itself connected and says how it stands. The page never polls.

import { delayMs } from "./backoff";
import { StreamParser, type StreamEvent } from "./sse";

/** The server sends at least a keep-alive each second; after this silence the connection counts as dead. */
const SILENCE_MS = 4000;

/** How the connection to the server is. */
export type Connection =
  | { state: "connecting" }
  | { state: "open" }
  | { state: "lost"; since: number; tries: number; retryAt: number; why: string };

/** What the stream tells. */
export interface StreamListener {
  event(event: StreamEvent): void;
  connection(connection: Connection): void;
}

/** Connects to `url` until the returned function is called. */
export function follow(url: string, listener: StreamListener): () => void {
  let stopped = false;
  let lastId = "";
  let wake = () => {};
  let abort = new AbortController();

  const readOnce = async (onOpen: () => void): Promise<void> => {
    abort = new AbortController();
    let silence = setTimeout(() => abort.abort(), SILENCE_MS);
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastId) headers["last-event-id"] = lastId;
      const answer = await fetch(url, { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok || !answer.body) throw new Error(`the server answers ${answer.status}`);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new StreamParser();
      onOpen();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Error("the server closed the stream");
        heard();
        for (const event of parser.push(value)) {
          if (event.id) lastId = event.id;
          listener.event(event);
        }
      }
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  };

  const run = async () => {
    let tries = 0;
    let since = 0;
    listener.connection({ state: "connecting" });
    while (!stopped) {
      let why = "";
      try {
        await readOnce(() => {
          tries = 0;
          since = 0;
          // Whoever comes back after a failure is sent everything anew; the page keeps showing what it held.
          listener.connection({ state: "open" });
        });
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (stopped) return;
      since ||= Date.now();
      const wait = delayMs(tries);
      listener.connection({ state: "lost", since, tries, retryAt: Date.now() + wait, why });
      tries += 1;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, wait);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  void run();
  // A machine that wakes up, or a network that comes back, is a good moment to try.
  const again = () => wake();
  globalThis.addEventListener?.("online", again);
  return () => {
    stopped = true;
    globalThis.removeEventListener?.("online", again);
    abort.abort();
    wake();
  };
}
