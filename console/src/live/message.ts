// What arrives on the data channel: the reading of one frame, the state of the voice, or how the stream is.

import type { CalibrationState, HeadPose, NullReason, VisualStatus } from "../generated/schemas";
import { decode, Malformed, type Value } from "./msgpack";

/** Label and manner of the channel; a late message is worth less than the next one. */
export const CHANNEL = "observations";
export const CHANNEL_OPTIONS: RTCDataChannelInit = { ordered: false, maxRetransmits: 0 };

export const LANDMARK_COUNT = 478;
/** Fixed-point units per frame width or height. */
export const LANDMARK_SCALE = 16384;
const LARGEST_MESSAGE = 4096;

export interface LiveFace {
  seq: number;
  /** RTP time of this very frame, 90 kHz, wrapping at 2^32. */
  rtpTime: number;
  /** Media time, seconds. */
  mediaSecs: number;
  width: number;
  height: number;
  faces: number;
  status: VisualStatus;
  absent: NullReason | null;
  /** Left, top, width, height, pixels of the frame. */
  box: readonly [number, number, number, number] | null;
  /** x, y, z of each point in fixed point, in units of the frame width (x, z) and height (y). */
  landmarks: Int16Array | null;
  confidence: number | null;
  pose: HeadPose | null;
  ratio: number | null;
  score: number | null;
  calibration: CalibrationState;
  actionUnits: Readonly<Record<string, number>> | null;
}

export interface LiveVoice {
  mediaSecs: number;
  speaking: boolean;
  speechProbability: number | null;
  rmsDbfs: number;
  peakDbfs: number;
  pitchHz: number | null;
  /** Which harmonic of it is likely the true one: 1, or 2 to 5. */
  pitchHarmonic: number;
}

export interface LiveStream {
  flowing: boolean;
  ageMs: number;
}

export type LiveMessage = { face: LiveFace } | { voice: LiveVoice } | { stream: LiveStream };

type Fields = { [name: string]: Value };

/** Reads a message. Throws `Malformed` for bytes that are none; a kind of a later server is null. */
export function read(bytes: Uint8Array): LiveMessage | null {
  if (bytes.byteLength > LARGEST_MESSAGE) throw new Malformed("too long");
  const message = fields(decode(bytes));
  if ("face" in message) return { face: face(fields(message["face"])) };
  if ("voice" in message) return { voice: voice(fields(message["voice"])) };
  if ("stream" in message) {
    const stream = fields(message["stream"]);
    return { stream: { flowing: stream["flowing"] === true, ageMs: number(stream, "age_ms") } };
  }
  return null;
}

function face(from: Fields): LiveFace {
  const calibration = fields(from["calibration"]);
  return {
    seq: number(from, "seq"),
    rtpTime: number(from, "rtp_time"),
    mediaSecs: number(from, "pts_ns") / 1e9,
    width: number(from, "width"),
    height: number(from, "height"),
    faces: number(from, "faces"),
    status: text(from, "status") as VisualStatus,
    absent: from["absent"] == null ? null : (text(from, "absent") as NullReason),
    box: boxOf(from["box"]),
    landmarks: landmarksOf(from["landmarks"]),
    confidence: maybe(from, "confidence"),
    pose: poseOf(from["pose"]),
    ratio: maybe(from, "ratio"),
    score: maybe(from, "score"),
    calibration: { accepted: number(calibration, "accepted"), ratio_sum: number(calibration, "ratio_sum") },
    actionUnits: unitsOf(from["action_units"]),
  };
}

function voice(from: Fields): LiveVoice {
  return {
    mediaSecs: number(from, "pts_ns") / 1e9,
    speaking: from["speaking"] === true,
    speechProbability: maybe(from, "speech_probability"),
    rmsDbfs: number(from, "rms_dbfs"),
    peakDbfs: number(from, "peak_dbfs"),
    pitchHz: maybe(from, "pitch_hz"),
    pitchHarmonic: maybe(from, "pitch_harmonic") ?? 1,
  };
}

function fields(value: Value | undefined): Fields {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array)
    throw new Malformed("no map");
  return value;
}

function number(from: Fields, name: string): number {
  const value = from[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Malformed(`${name} is no number`);
  return value;
}

const maybe = (from: Fields, name: string): number | null => (from[name] == null ? null : number(from, name));

function text(from: Fields, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw new Malformed(`${name} is no text`);
  return value;
}

function boxOf(value: Value | undefined): LiveFace["box"] {
  if (value == null) return null;
  if (!Array.isArray(value) || value.length !== 4 || !value.every((part) => Number.isFinite(part)))
    throw new Malformed("box is none");
  return value as unknown as LiveFace["box"];
}

function landmarksOf(value: Value | undefined): Int16Array | null {
  if (value == null) return null;
  if (!(value instanceof Uint8Array) || value.byteLength !== LANDMARK_COUNT * 6) throw new Malformed("landmarks are none");
  // The bytes may lie at an odd place of the message, where numbers of two bytes cannot be looked at.
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Int16Array.from({ length: LANDMARK_COUNT * 3 }, (_, index) => view.getInt16(index * 2, true));
}

function poseOf(value: Value | undefined): HeadPose | null {
  if (value == null) return null;
  const pose = fields(value);
  return { yaw_deg: number(pose, "yaw_deg"), pitch_deg: number(pose, "pitch_deg"), roll_deg: number(pose, "roll_deg") };
}

function unitsOf(value: Value | undefined): LiveFace["actionUnits"] {
  if (value == null) return null;
  const units = fields(value);
  return Object.fromEntries(Object.keys(units).map((name) => [name, number(units, name)]));
}
