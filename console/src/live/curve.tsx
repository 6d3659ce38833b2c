// The smile of the last minute: measured AU12, the windows of each stimulus, and for the demo what is really true.

import { createEffect, createMemo, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import * as format from "../format";
import { instant, parts } from "../state/store";
import { bandsOf, SPAN_SECS } from "./series";
import { hasTruth, truthAt } from "./truth";
import { curve, face } from "./viewer";

/** Redraws of the curve per second: it moves slowly, and the picture needs the machine more. */
const REDRAW_MS = 66;

/** A stimulus on the axis of media time. */
interface Mark {
  at: number;
  p90: number | null;
  baseline: number | null;
}

export function Curve(): JSX.Element {
  let host!: HTMLDivElement;
  let plot: uPlot | undefined;
  const withTruth = createMemo(() => hasTruth(parts.readback?.source_url));
  const marks = createMemo<Mark[]>(() => {
    const epoch = instant(parts.readback?.epoch_utc);
    const times = new Map<number, Mark>();
    const add = (text: string | null | undefined, p90: number | null, baseline: number | null) => {
      const at = (instant(text) - epoch) / 1000;
      if (Number.isFinite(at)) times.set(Math.round(at * 1000), { at, p90, baseline });
    };
    add(parts.readback?.stimulus_time_utc, null, null);
    for (const row of parts.readback?.encounters ?? []) add(row.stimulus_time_utc, row.p90_intensity, row.au12_baseline_pre);
    return [...times.values()];
  });

  onMount(() => {
    const look = Look.read(host);
    plot = new uPlot(optionsOf(host, look, marks), [[], [], []], host);
    plot.setScale("x", { min: 0, max: SPAN_SECS });
    const resized = new ResizeObserver(() => plot?.setSize({ width: host.clientWidth, height: heightOf(host) }));
    resized.observe(host);
    let last = 0;
    let frame = 0;
    let newest: number | undefined;
    const step = (at: number) => {
      frame = requestAnimationFrame(step);
      const now = curve.times.at(-1);
      if (at - last < REDRAW_MS || now === newest) return;
      [last, newest] = [at, now];
      update(plot, withTruth());
    };
    frame = requestAnimationFrame(step);
    const scheme = matchMedia("(prefers-color-scheme: light)");
    const restyle = () => {
      Object.assign(look, Look.read(host));
      plot?.redraw();
    };
    scheme.addEventListener("change", restyle);
    onCleanup(() => {
      cancelAnimationFrame(frame);
      resized.disconnect();
      scheme.removeEventListener("change", restyle);
      plot?.destroy();
    });
  });
  createEffect(on(marks, () => plot?.redraw(false)));

  return (
    <section class="panel curve-panel" aria-label="Smile over time">
      <div class="card-head">
        <h2>Smile (AU12)</h2>
        <span class="reading" aria-live="off">
          {format.score(face()?.score)}
        </span>
        <span class="spring" />
        <ul class="legend">
          <li class="measured">measured</li>
          <Show when={withTruth()}>
            <li class="true">the presenter's truth</li>
          </Show>
          <li class="baseline">5 s before</li>
          <li class="measure">0.5–5 s after a stimulus</li>
        </ul>
      </div>
      <div class="curve" ref={host} role="img" aria-label={`Smile of the last minute, now ${format.score(face()?.score)}`} />
    </section>
  );
}

/** Colours of the page, as the canvas needs them. */
class Look {
  constructor(
    readonly measured: string,
    readonly truth: string,
    readonly text: string,
    readonly grid: string,
    readonly baseline: string,
    readonly measure: string,
    readonly mark: string,
  ) {}

  static read(host: Element): Look {
    const style = getComputedStyle(host);
    const of = (name: string) => style.getPropertyValue(name).trim();
    return new Look(of("--curve"), of("--truth"), of("--muted"), of("--border"), of("--band-baseline"), of("--band-measure"), of("--accent-text"));
  }
}

const heightOf = (host: HTMLElement): number => Math.max(120, host.clientHeight);

function update(plot: uPlot | undefined, withTruth: boolean): void {
  const end = curve.times.at(-1);
  if (!plot || end === undefined) return;
  const truth = withTruth ? curve.times.map(truthAt) : curve.times.map(() => null);
  plot.batch(() => {
    plot.setData([curve.times, curve.values, truth] as uPlot.AlignedData, false);
    plot.setScale("x", { min: end - SPAN_SECS, max: end });
  });
}

function optionsOf(host: HTMLElement, look: Look, marks: () => Mark[]): uPlot.Options {
  const stroke = (name: keyof Look) => () => look[name] as string;
  return {
    width: host.clientWidth,
    height: heightOf(host),
    pxAlign: false,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 18, 0, 0],
    scales: { x: { time: false, range: (_plot, min, max) => [min, max] }, y: { range: [0, 1] } },
    axes: [
      {
        stroke: stroke("text"),
        grid: { stroke: stroke("grid"), width: 1 },
        ticks: { show: false },
        size: 24,
        font: "11px system-ui, sans-serif",
        values: (_plot, splits) => splits.map((secs) => (secs < 0 ? "" : format.countdown(secs))),
      },
      {
        stroke: stroke("text"),
        grid: { stroke: stroke("grid"), width: 1 },
        ticks: { show: false },
        size: 32,
        font: "11px system-ui, sans-serif",
        splits: [0, 0.25, 0.5, 0.75, 1],
        values: (_plot, splits) => splits.map((value) => (value % 0.5 === 0 ? value.toFixed(1) : "")),
      },
    ],
    series: [
      {},
      { stroke: stroke("measured"), width: 2, points: { show: false }, spanGaps: false },
      { stroke: stroke("truth"), width: 1.5, dash: [5, 4], points: { show: false }, show: true },
    ],
    hooks: { drawClear: [(plot) => shade(plot, look, marks())], draw: [(plot) => levels(plot, look, marks())] },
  };
}

/** The windows of each stimulus, under the curves. */
function shade(plot: uPlot, look: Look, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  clip(plot);
  for (const mark of marks) {
    for (const band of bandsOf(mark.at)) {
      const [from, to] = [plot.valToPos(band.from, "x", true), plot.valToPos(band.to, "x", true)];
      ctx.fillStyle = band.kind === "measure" ? look.measure : look.baseline;
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
  }
  ctx.restore();
}

/** The instant of each stimulus, and what its windows came to, over the curves. */
function levels(plot: uPlot, look: Look, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  clip(plot);
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const mark of marks) {
    const at = plot.valToPos(mark.at, "x", true);
    ctx.strokeStyle = look.mark;
    line(ctx, at, bbox.top, at, bbox.top + bbox.height);
    for (const [level, from, to] of [
      [mark.p90, mark.at + 0.5, mark.at + 5],
      [mark.baseline, mark.at - 5, mark.at],
    ] as const) {
      if (level === null) continue;
      const y = plot.valToPos(level, "y", true);
      ctx.strokeStyle = look.text;
      line(ctx, plot.valToPos(from, "x", true), y, plot.valToPos(to, "x", true), y);
    }
  }
  ctx.restore();
}

function clip(plot: uPlot): void {
  const { left, top, width, height } = plot.bbox;
  plot.ctx.beginPath();
  plot.ctx.rect(left, top, width, height);
  plot.ctx.clip();
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
