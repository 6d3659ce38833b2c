// How values are written, one form per kind of value (console 4). Whatever is missing or no number is a dash.

export const MISSING = "—";

type Maybe = number | null | undefined;

const isNumber = (value: Maybe): value is number => typeof value === "number" && Number.isFinite(value);

const fixed = (value: Maybe, digits: number, unit = ""): string =>
  isNumber(value) ? `${value.toFixed(digits)}${unit}` : MISSING;

const signed = (value: Maybe, digits: number, unit = ""): string =>
  isNumber(value) ? `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}${unit}` : MISSING;

/** `YYYY-MM-DD HH:MM:SSZ`, in UTC. */
export function time(text: string | null | undefined): string {
  const at = text ? new Date(text) : null;
  if (!at || Number.isNaN(at.getTime())) return MISSING;
  return `${at.toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** `HH:MM:SS` of the same, for lists whose day is clear. */
export const clock = (text: string | null | undefined): string => {
  const whole = time(text);
  return whole === MISSING ? MISSING : whole.slice(11, 19);
};

/** `1h 2m 3s`, `2m 3s`, `3s`. */
export function duration(secs: Maybe): string {
  if (!isNumber(secs) || secs < 0) return MISSING;
  const whole = Math.floor(secs);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60] as const;
  if (parts[0] > 0) return `${parts[0]}h ${parts[1]}m ${parts[2]}s`;
  return parts[1] > 0 ? `${parts[1]}m ${parts[2]}s` : `${parts[2]}s`;
}

/** `mm:ss`, for what is counted down; never below zero. */
export function countdown(secs: Maybe): string {
  if (!isNumber(secs)) return MISSING;
  const left = Math.max(0, Math.ceil(secs));
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(Math.floor(left / 60))}:${two(left % 60)}`;
}

/** `12.3%`. */
export const ratio = (value: Maybe): string => fixed(isNumber(value) ? value * 100 : value, 1, "%");
/** `84%`. */
export const confidence = (value: Maybe): string => fixed(isNumber(value) ? value * 100 : value, 0, "%");
/** Reward, P90, posterior, variance: three decimals. */
export const score = (value: Maybe): string => fixed(value, 3);
/** `+0.342`. */
export const coModulation = (value: Maybe): string => signed(value, 3);
/** `210.0 Hz`; `350 or 700 Hz` where another harmonic of it is likely the true one. */
export const pitch = (value: Maybe, harmonic = 1): string =>
  !isNumber(value) || harmonic < 2 ? fixed(value, 1, " Hz") : `${fixed(value, 0)} or ${fixed(value * harmonic, 0, " Hz")}`;
/** `+0.84 st`. */
export const semitones = (value: Maybe): string => signed(value, 2, " st");
/** Jitter and shimmer: `0.0123`. */
export const perturbation = (value: Maybe): string => fixed(value, 4);
/** Their difference: `+0.0123`. */
export const perturbationDelta = (value: Maybe): string => signed(value, 4);
/** Voiced time: `2.00s`. */
export const voiced = (value: Maybe): string => fixed(value, 2, "s");
/** `42 ms`. */
export const rmssd = (value: Maybe): string => fixed(value, 0, " ms");
/** `71 bpm`. */
export const heartRate = (value: Maybe): string => fixed(value, 0, " bpm");
/** `−23 dB`. */
export const level = (value: Maybe): string =>
  isNumber(value) ? `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(0)} dB` : MISSING;

/** `87ms`, from 1000 on `1.25s`. */
export function latency(ms: Maybe): string {
  if (!isNumber(ms)) return MISSING;
  return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(2)}s`;
}

/** `75s (stale)`. */
export function freshness(secs: Maybe, isStale: boolean | null | undefined): string {
  if (!isNumber(secs)) return MISSING;
  return `${Math.round(secs)}s (${isStale ? "stale" : "fresh"})`;
}

/** First eight and last four characters of an identifier. */
export function shortId(id: string | null | undefined): string {
  if (!id) return MISSING;
  return id.length <= 13 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`;
}

/** At most `most` characters, the last of them an ellipsis when something was cut. */
export function cut(text: string | null | undefined, most: number): string {
  if (!text) return MISSING;
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

/** A stable code as words: `data_gap` is `data gap`. */
export const words = (code: string | null | undefined): string => (code ? code.replaceAll("_", " ") : MISSING);
