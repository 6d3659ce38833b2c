// The picture with the reading drawn over it: each reading on its own frame.

import { createEffect, createSignal, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import { Pill } from "../parts/parts";
import type { PictureState } from "../state/line";
import type { Kind } from "../state/kinds";
import { draw, type Layers } from "./overlay";
import { face, matcher, media, painted, picture, pictureWhy } from "./viewer";

/** What tests and benches read of the newest frame on the screen. */
export interface Shown {
  rtpTime: number;
  /** RTP time of the reading that is drawn, and its media time. */
  drawnRtpTime: number | null;
  drawnMediaSecs: number | null;
  frames: number;
  /** Readings that came so far. */
  readings: number;
  lags: number[];
  /** The frame that left the screen last, with the reading that lay on it at its end. */
  left: { rtpTime: number; drawnRtpTime: number | null; drawnMediaSecs: number | null; readings: number } | null;
}

declare global {
  interface Window {
    lsieShown?: Shown;
  }
}

const WORDS: Record<PictureState, readonly [Kind, string]> = {
  off: ["neutral", "no picture"],
  connecting: ["progress", "connecting"],
  playing: ["ok", "live"],
  stalled: ["warn", "standing still"],
  lost: ["error", "reconnecting"],
};

/** Overlay lags that are kept for whoever measures them. */
const KEPT_LAGS = 900;

export function Picture(): JSX.Element {
  let video!: HTMLVideoElement;
  let canvas!: HTMLCanvasElement;
  const [layers, setLayers] = createSignal<Layers>({ mesh: true, corners: true, box: true });
  const [aspect, setAspect] = createSignal(String(16 / 9));
  const [isLoud, setLoud] = createSignal(false);
  const shown: Shown = { rtpTime: 0, drawnRtpTime: null, drawnMediaSecs: null, frames: 0, readings: 0, lags: [], left: null };
  window.lsieShown = shown;
  let stopped = false;

  const redraw = () => {
    const context = canvas.getContext("2d");
    if (!context) return;
    const scale = Math.min(globalThis.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const choice = matcher.choice();
    draw(context, width, height, choice?.face ?? null, layers());
    shown.drawnRtpTime = choice?.face.rtpTime ?? null;
    shown.drawnMediaSecs = choice?.face.mediaSecs ?? null;
    if (choice) canvas.dataset["lagSecs"] = choice.lagSecs.toFixed(3);
  };
  /** Another frame is on the screen: the one that leaves it keeps the lag that its overlay had at the end. */
  const enter = (rtpTime: number) => {
    if (shown.frames > 0 && rtpTime === shown.rtpTime) return;
    if (shown.frames > 0) {
      const { drawnRtpTime, drawnMediaSecs } = shown;
      shown.left = { rtpTime: shown.rtpTime, drawnRtpTime, drawnMediaSecs, readings: shown.readings };
      if (drawnRtpTime !== null) shown.lags.push(((shown.rtpTime - drawnRtpTime) | 0) / 90_000);
      if (shown.lags.length > KEPT_LAGS) shown.lags.shift();
    }
    shown.frames += 1;
    shown.rtpTime = rtpTime;
    matcher.show(rtpTime);
  };
  const onFrame: VideoFrameRequestCallback = (_now, meta) => {
    if (stopped) return;
    // When this runs late, the screen has gone on to a later frame than the one it is called for.
    const rtpTime = rtpTimeOnScreen(video) ?? meta.rtpTimestamp;
    if (rtpTime !== undefined) enter(rtpTime);
    else shown.frames += 1;
    painted();
    redraw();
    video.requestVideoFrameCallback(onFrame);
  };
  /** A reading came: it is drawn at once, over whatever frame is on the screen by now. */
  const onReading = () => {
    const rtpTime = rtpTimeOnScreen(video);
    if (shown.frames > 0 && rtpTime !== undefined) enter(rtpTime);
    if (face()) shown.readings += 1;
    redraw();
  };

  onMount(() => {
    video.requestVideoFrameCallback(onFrame);
    const resized = new ResizeObserver(redraw);
    resized.observe(canvas);
    onCleanup(() => resized.disconnect());
  });
  createEffect(() => {
    const stream = media();
    video.srcObject = stream;
    if (stream) void video.play().catch(() => {});
  });
  createEffect(on(face, onReading));
  createEffect(on([layers, picture], redraw));
  onCleanup(() => {
    stopped = true;
    video.srcObject = null;
    delete window.lsieShown;
  });

  const toggle = (layer: keyof Layers, title: string) => (
    <button type="button" class="toggle" aria-pressed={layers()[layer]} onClick={() => setLayers((now) => ({ ...now, [layer]: !now[layer] }))}>
      {title}
    </button>
  );
  return (
    <section class="panel picture-panel" aria-label="Live picture">
      <div class="picture" data-state={picture()}>
        <div class="frame" style={{ "--ratio": aspect() }}>
          <video ref={video} autoplay playsinline muted={!isLoud()} aria-label="Live picture of the streamer" onResize={() => setAspect(shapeOf(video))} />
          <canvas ref={canvas} aria-hidden="true" />
        </div>
        <Show when={picture() !== "playing"}>
          <div class="veil">
            <p>{VEIL[picture()]}</p>
            <Show when={pictureWhy() && picture() === "lost"}>
              <p class="muted">{pictureWhy()}</p>
            </Show>
          </div>
        </Show>
      </div>
      <div class="picture-tools" role="group" aria-label="Drawn over the picture">
        <Pill kind={WORDS[picture()][0]} label={WORDS[picture()][1]} />
        <span class="spring" />
        {toggle("mesh", "Mesh")}
        {toggle("corners", "Mouth corners")}
        {toggle("box", "Box")}
        <button type="button" class="toggle" aria-pressed={isLoud()} onClick={() => setLoud((loud) => !loud)}>
          Sound
        </button>
      </div>
    </section>
  );
}

/** RTP time of the frame that the screen shows at this instant, where the browser tells. */
function rtpTimeOnScreen(video: HTMLVideoElement): number | undefined {
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || typeof VideoFrame === "undefined") return undefined;
  try {
    const frame = new VideoFrame(video) as VideoFrame & { metadata?: () => { rtpTimestamp?: number } };
    const { rtpTimestamp } = frame.metadata?.() ?? {};
    frame.close();
    return rtpTimestamp;
  } catch {
    // No frame yet, or a source that gives none away.
    return undefined;
  }
}

/** The overlay lies over the picture only while both have the same shape. */
const shapeOf = (video: HTMLVideoElement): string => String(video.videoHeight > 0 ? video.videoWidth / video.videoHeight : 16 / 9);

const VEIL: Record<PictureState, string> = {
  off: "The picture comes when a source plays.",
  connecting: "Connecting the picture…",
  playing: "",
  stalled: "The picture stands still.",
  lost: "The picture is being connected again.",
};
