// The live picture: one WHEP session with the server. It keeps itself connected and says how it stands.

import { delayMs } from "../api/backoff";
import { detailOf } from "../api/client";
import type { PictureState } from "../state/line";
import { CHANNEL, CHANNEL_OPTIONS, read, type LiveMessage } from "./message";

/** How long the way to the server may take to stand, milliseconds. */
const CONNECT_MS = 8000;
/** A way that broke mends by itself within this time, or is laid anew. */
const MEND_MS = 2000;

export interface PeerListener {
  picture(state: PictureState, why: string | null): void;
  stream(stream: MediaStream): void;
  message(message: LiveMessage): void;
  /** Bytes came that are no message. */
  malformed(): void;
}

/** Watches a session until the returned function is called. */
export function watch(session: string, listener: PeerListener): () => void {
  let stopped = false;
  let leave = () => {};
  const run = async () => {
    for (let tries = 0; !stopped; tries += 1) {
      listener.picture("connecting", null);
      let why = "the connection was lost";
      try {
        why = await one(session, listener, (end) => (leave = end), () => (tries = -1));
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (stopped) return;
      listener.picture("lost", why);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delayMs(Math.max(0, tries)));
        leave = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  void run();
  return () => {
    stopped = true;
    leave();
  };
}

/** One connection from its offer to its end; gives why it ended. */
async function one(
  session: string,
  listener: PeerListener,
  setLeave: (leave: () => void) => void,
  onConnected: () => void,
): Promise<string> {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  let resource: string | null = null;
  const abort = new AbortController();
  try {
    const ended = new Promise<string>((resolve) => {
      setLeave(() => {
        abort.abort();
        resolve("left");
      });
      watchState(connection, onConnected, resolve);
    });
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.addTransceiver("audio", { direction: "recvonly" });
    receive(connection.createDataChannel(CHANNEL, CHANNEL_OPTIONS), listener);
    const stream = new MediaStream();
    connection.ontrack = (event) => {
      stream.addTrack(event.track);
      listener.stream(stream);
    };
    await connection.setLocalDescription();
    const answer = await ask(session, connection.localDescription?.sdp ?? "", abort.signal);
    resource = answer.resource;
    await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    return await ended;
  } finally {
    connection.close();
    // The server notices a viewer who left; saying so frees its place at once. Best effort.
    if (resource) void fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
  }
}

async function ask(session: string, offer: string, signal: AbortSignal): Promise<{ sdp: string; resource: string | null }> {
  const answer = await fetch(`/whep/${encodeURIComponent(session)}`, {
    method: "POST",
    headers: { "content-type": "application/sdp", accept: "application/sdp" },
    body: offer,
    signal,
  });
  const body = await answer.text();
  if (answer.status !== 201) throw new Error(refusalOf(body, answer.status));
  return { sdp: body, resource: answer.headers.get("location") };
}

function refusalOf(body: string, status: number): string {
  try {
    return detailOf((JSON.parse(body) as { detail?: unknown }).detail);
  } catch {
    return `the server answers ${status}`;
  }
}

function receive(channel: RTCDataChannel, listener: PeerListener): void {
  channel.binaryType = "arraybuffer";
  channel.onmessage = (event: MessageEvent<unknown>) => {
    if (!(event.data instanceof ArrayBuffer)) return listener.malformed();
    try {
      const message = read(new Uint8Array(event.data));
      if (message) listener.message(message);
    } catch {
      listener.malformed();
    }
  };
}

function watchState(connection: RTCPeerConnection, onConnected: () => void, end: (why: string) => void): void {
  let timer = setTimeout(() => end("no way to the media engine was found"), CONNECT_MS);
  connection.onconnectionstatechange = () => {
    clearTimeout(timer);
    switch (connection.connectionState) {
      case "connected":
        onConnected();
        break;
      case "connecting":
        timer = setTimeout(() => end("no way to the media engine was found"), CONNECT_MS);
        break;
      case "disconnected":
        timer = setTimeout(() => end("the media engine does not answer"), MEND_MS);
        break;
      case "failed":
      case "closed":
        end("the connection to the media engine was lost");
    }
  };
}
