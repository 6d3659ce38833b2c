// What this page sees and hears of the open session right now: picture, readings of its frames, voice. Signals for the parts
// that show single values; plain objects for those that draw.

import { createSignal } from "solid-js";
import type { PictureState } from "../state/line";
import { Matcher } from "./match";
import type { LiveFace, LiveMessage, LiveVoice } from "./message";
import { watch } from "./peer";
import { Series } from "./series";

/** Without a new frame for this long, the picture stands still; with the pause between two looks, said within a second. */
const STALL_MS = 750;
const LOOK_MS = 100;

const [picture, setPicture] = createSignal<PictureState>("off");
const [pictureWhy, setPictureWhy] = createSignal<string | null>(null);
const [media, setMedia] = createSignal<MediaStream | null>(null);
const [face, setFace] = createSignal<LiveFace | null>(null);
const [voice, setVoice] = createSignal<LiveVoice | null>(null);
const [heardAt, setHeardAt] = createSignal<number | null>(null);
const [malformed, setMalformed] = createSignal(0);

export { picture, pictureWhy, media, face, voice, heardAt, malformed };

export const matcher = new Matcher();
export const curve = new Series();

let watched: string | null = null;
/** The session that the curve is of: it is still there for whoever comes back from another page. */
let curveOf: string | null = null;
let leave = () => {};
let frameAt = 0;
let stallTimer: ReturnType<typeof setInterval> | undefined;

/** Watches this session, or nothing. Asking again for the same one changes nothing. */
export function look(session: string | null): void {
  if (session === watched) return;
  leave();
  clearInterval(stallTimer);
  watched = session;
  forget();
  if (session === null) {
    setPicture("off");
    return;
  }
  if (session !== curveOf) curve.clear();
  curveOf = session;
  stallTimer = setInterval(() => {
    if (picture() === "playing" && performance.now() - frameAt > STALL_MS) setPicture("stalled");
  }, LOOK_MS);
  leave = watch(session, {
    picture(state, why) {
      setPicture(state);
      setPictureWhy(why);
      if (state !== "playing") matcher.clear();
    },
    stream: (stream) => setMedia(() => stream),
    message: take,
    malformed: () => setMalformed((count) => count + 1),
  });
}

/** The page painted a frame of the picture. */
export function painted(): void {
  frameAt = performance.now();
  if (picture() !== "playing") setPicture("playing");
}

function take(message: LiveMessage): void {
  if ("stream" in message) {
    if (!message.stream.flowing && picture() === "playing") setPicture("stalled");
    return;
  }
  setHeardAt(Date.now());
  if ("voice" in message) {
    setVoice(message.voice);
    return;
  }
  matcher.hear(message.face);
  curve.push(message.face.mediaSecs, message.face.score);
  setFace(message.face);
}

function forget(): void {
  matcher.clear();
  setMedia(null);
  setFace(null);
  setVoice(null);
  setHeardAt(null);
  setPictureWhy(null);
}
