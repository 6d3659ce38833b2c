import { describe, expect, it } from "vitest";
import { EDGES } from "../src/live/edges";
import { Matcher, ticksBetween } from "../src/live/match";
import { LANDMARK_COUNT, read, type LiveFace } from "../src/live/message";
import { decode, Malformed } from "../src/live/msgpack";
import { ageOf, checked, readNumber, TIME_WRAP_MS } from "../src/live/number";
import { meterShare } from "../src/live/readings";
import messages from "./liveMessages.json";
import { bandsOf, Series, SPAN_SECS } from "../src/live/series";
import { frameNumberAt, hasTruth, truthAt } from "../src/live/truth";

/** Writes MessagePack as the server does; only what the tests need. */
function encode(value: unknown): number[] {
  if (value === null) return [0xc0];
  if (typeof value === "boolean") return [value ? 0xc3 : 0xc2];
  if (typeof value === "number") {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    return Number.isInteger(value) && value >= 0 && value < 128 ? [value] : [0xcb, ...new Uint8Array(view.buffer)];
  }
  if (typeof value === "string") return [0xd9, value.length, ...new TextEncoder().encode(value)];
  if (value instanceof Uint8Array) return [0xc5, value.length >> 8, value.length & 255, ...value];
  if (Array.isArray(value)) return [0x90 + value.length, ...value.flatMap(encode)];
  const members = Object.entries(value as object);
  return [0xde, members.length >> 8, members.length & 255, ...members.flatMap(([name, inner]) => [...encode(name), ...encode(inner)])];
}

const faceFields = (over: object = {}) => ({
  seq: 7,
  rtp_time: 5_940_000,
  pts_ns: 66e9,
  width: 1280,
  height: 720,
  faces: 1,
  status: "ready",
  absent: null,
  box: [1, 2, 3, 4],
  landmarks: new Uint8Array(LANDMARK_COUNT * 6).fill(0),
  confidence: 0.9,
  pose: { yaw_deg: 1, pitch_deg: 2, roll_deg: 3 },
  ratio: 1.5,
  score: 0.5,
  calibration: { accepted: 45, ratio_sum: 40 },
  action_units: null,
  ...over,
});
const message = (fields: object) => new Uint8Array(encode(fields));

describe("messages of the data channel", () => {
  it("reads a whole face", () => {
    const landmarks = new Uint8Array(LANDMARK_COUNT * 6);
    landmarks.set([0x00, 0x10, 0xff, 0xff], 0);
    const read_ = read(message({ face: faceFields({ landmarks }) }));
    if (!read_ || !("face" in read_)) throw new Error("no face");
    expect(read_.face).toMatchObject({ seq: 7, rtpTime: 5_940_000, mediaSecs: 66, score: 0.5, box: [1, 2, 3, 4] });
    expect([...(read_.face.landmarks?.subarray(0, 2) ?? [])]).toEqual([4096, -1]);
  });

  it("reads a face that is absent, a voice and the state of the stream", () => {
    const absent = read(message({ face: faceFields({ absent: "no_face", box: null, landmarks: null, pose: null, score: null }) }));
    expect(absent).toMatchObject({ face: { absent: "no_face", landmarks: null, score: null } });
    const voice = { rtp_time: 1, pts_ns: 1e9, speaking: true, speech_probability: null, rms_dbfs: -20, peak_dbfs: -10, pitch_hz: 210, pitch_harmonic: 3 };
    expect(read(message({ voice }))).toMatchObject({ voice: { speaking: true, rmsDbfs: -20, pitchHz: 210, pitchHarmonic: 3 } });
    expect(read(message({ stream: { flowing: false, age_ms: 12 } }))).toEqual({ stream: { flowing: false, ageMs: 12 } });
    expect(read(message({ later: {} }))).toBeNull();
  });

  it("reads the very bytes that the engine sends", () => {
    const of = (name: keyof typeof messages) => read(Uint8Array.from(messages[name].match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
    const seen = of("seen");
    if (!seen || !("face" in seen)) throw new Error("no face");
    expect(seen.face).toMatchObject({
      seq: 300,
      rtpTime: Math.floor(66.033333333 * 90_000),
      mediaSecs: 66.033333333,
      width: 1280,
      height: 720,
      faces: 2,
      status: "ready",
      absent: null,
      box: [100.5, 200.25, 300, 310],
      confidence: 0.5,
      pose: { yaw_deg: -1.5, pitch_deg: 2, roll_deg: 0.25 },
      ratio: 1.25,
      score: 0.75,
      calibration: { accepted: 45, ratio_sum: 50.5 },
      actionUnits: { AU1: 0.125, AU25: 0.5, AU45: 1 },
    });
    expect([...(seen.face.landmarks?.subarray(3, 6) ?? [])]).toEqual([16, 8192, -164]);
    expect(of("unseen")).toMatchObject({ face: { absent: "no_face", status: "waiting_for_face", landmarks: null, box: null, pose: null, score: null, actionUnits: null } });
    expect(of("voice")).toEqual({ voice: { mediaSecs: 66, speaking: true, speechProbability: 0.5, rmsDbfs: -20.5, peakDbfs: -10.25, pitchHz: null, pitchHarmonic: 1 } });
    expect(of("stream")).toEqual({ stream: { flowing: false, ageMs: 1500 } });
  });

  it("refuses whatever is no message, wherever it is cut", () => {
    const whole = message({ face: faceFields() });
    for (let end = 0; end < whole.length; end += 37) expect(() => read(whole.subarray(0, end))).toThrow(Malformed);
    const bad = [
      message({ face: faceFields({ landmarks: new Uint8Array(5) }) }),
      message({ face: faceFields({ box: [1, 2] }) }),
      message({ face: faceFields({ seq: "x" }) }),
      message({ face: faceFields({ score: Number.NaN }) }),
      message({ face: null }),
      new Uint8Array(5000),
      new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]),
      new Uint8Array([0xc1]),
      new Uint8Array(64).fill(0x91),
    ];
    for (const bytes of bad) expect(() => read(bytes)).toThrow(Malformed);
  });

  it("reads every form of number", () => {
    const of = (...bytes: number[]) => decode(new Uint8Array(bytes));
    expect([of(0x05), of(0xff), of(0xcc, 200), of(0xcd, 1, 0), of(0xce, 0, 1, 0, 0), of(0xd0, 0x80), of(0xd1, 0xff, 0xfe)]).toEqual([5, -1, 200, 256, 65536, -128, -2]);
    expect(of(0xcf, 0, 0, 0, 1, 0, 0, 0, 0)).toBe(2 ** 32);
    expect(of(0xd3, 255, 255, 255, 255, 255, 255, 255, 255)).toBe(-1);
    expect(of(0xca, 0x3f, 0xc0, 0, 0)).toBe(1.5);
  });
});

const at = (rtpTime: number): LiveFace => ({ rtpTime }) as LiveFace;
const FRAME = 3000;

describe("a reading and its picture", () => {
  it("is drawn with its own frame, whichever comes first", () => {
    const matcher = new Matcher();
    expect(matcher.choice()).toBeNull();
    matcher.hear(at(FRAME));
    matcher.hear(at(2 * FRAME));
    expect(matcher.choice()).toBeNull();
    matcher.show(FRAME);
    expect(matcher.choice()).toMatchObject({ face: { rtpTime: FRAME }, lagSecs: 0 });
    matcher.show(3 * FRAME);
    expect(matcher.choice()).toMatchObject({ face: { rtpTime: 2 * FRAME } });
    matcher.hear(at(3 * FRAME));
    expect(matcher.choice()?.lagSecs).toBe(0);
  });

  it("is never drawn on an earlier picture, and not on one that is much later", () => {
    const matcher = new Matcher();
    matcher.hear(at(10 * FRAME));
    matcher.show(9 * FRAME);
    expect(matcher.choice()).toBeNull();
    matcher.show(30 * FRAME);
    expect(matcher.choice()).toBeNull();
  });

  it("is found across the wrap of the RTP clock", () => {
    const matcher = new Matcher();
    matcher.hear(at(2 ** 32 - 1000));
    matcher.show(2000);
    expect(matcher.choice()?.lagSecs).toBeCloseTo(3000 / 90_000);
    expect(ticksBetween(5, 2 ** 32 - 5)).toBe(10);
  });

  it("is held in bounded number", () => {
    const matcher = new Matcher();
    for (let n = 0; n < 10_000; n += 1) matcher.hear(at(n));
    matcher.show(9_000);
    expect(matcher.choice()).toBeNull();
    matcher.show(9_999);
    expect(matcher.choice()?.lagSecs).toBe(0);
  });
});

describe("the curve of the last minute", () => {
  it("forgets what is older, and shows holes", () => {
    const series = new Series();
    for (let n = 0; n < 40 * 100; n += 1) series.push(n / 30, 0.5);
    const newest = series.times.at(-1) ?? 0;
    expect(newest - (series.times[0] ?? 0)).toBeLessThanOrEqual(SPAN_SECS);
    series.push(newest + 3, 0.6);
    expect(series.values.at(-2)).toBeNull();
    expect(series.times).toHaveLength(series.values.length);
  });

  it("begins anew when media time does, and passes over late messages", () => {
    const series = new Series();
    series.push(50, 0.1);
    series.push(49.9, 0.9);
    expect(series.values).toEqual([0.1]);
    series.push(1, 0.2);
    expect(series.times).toEqual([1]);
  });

  it("is bounded at any frame rate", () => {
    const series = new Series();
    for (let n = 0; n < 20_000; n += 1) series.push(n / 1000, 0);
    expect(series.times.length).toBeLessThanOrEqual(4096);
  });

  it("shades the windows of math 5", () => {
    expect(bandsOf(10)).toEqual([
      { kind: "baseline", from: 5, to: 10 },
      { kind: "measure", from: 10.5, to: 15 },
    ]);
  });
});

/** RGBA pixels of a corner with a number painted into it. */
const painted = (number: number) => {
  const word = (number << 5) | ((number % 31) ^ 0b10101);
  const rgba = new Uint8ClampedArray(64 * 16 * 4);
  for (let cell = 0; cell < 16; cell += 1)
    for (let y = 0; y < 8; y += 1)
      for (let x = 0; x < 8; x += 1) rgba[(((cell >> 3) * 8 + y) * 64 + (cell % 8) * 8 + x) * 4 + 1] = (word >> (15 - cell)) & 1 ? 210 : 30;
  return rgba;
};

describe("the demo presenter", () => {
  it("is neutral first, smiles then, and repeats each minute", () => {
    expect([truthAt(0), truthAt(5.9), truthAt(-1), truthAt(Number.NaN)]).toEqual([0, 0, 0, 0]);
    expect(truthAt(7.2)).toBeGreaterThan(0.6);
    expect(truthAt(67.2)).toBeCloseTo(truthAt(7.2), 10);
    expect(hasTruth("demo:presenter") && !hasTruth("demo:presenter?mask=1") && !hasTruth("file:x") && !hasTruth(null)).toBe(true);
  });

  it("has its frame's number painted into the picture", () => {
    expect([frameNumberAt(0), frameNumberAt(1 / 30), frameNumberAt(66), frameNumberAt(66 + 61 / 30)]).toEqual([0, 1, 180, 241]);
    for (const number of [0, 1, 30, 31, 1979]) expect(readNumber(painted(number))).toBe(number);
    expect(readNumber(new Uint8ClampedArray(64 * 16 * 4))).toBeNull();
  });
});

describe("the painted time of day", () => {
  it("is read to the millisecond, and is none where its check fails", () => {
    const cells = (time: number) => time * 32 + ((time % 31) ^ 0b10101);
    for (const time of [0, 1, 30, 31, 86_399_999, TIME_WRAP_MS - 1]) expect(checked(cells(time))).toBe(time);
    expect([checked(cells(86_399_999) + 32), checked(cells(7) ^ 1), checked(0)]).toEqual([null, null, null]);
  });

  it("gives an age across its wrap", () => {
    const utc = 13_172 * TIME_WRAP_MS + 20;
    expect([ageOf(20, utc), ageOf(5, utc), ageOf(TIME_WRAP_MS - 10, utc), ageOf(21, utc)]).toEqual([0, 15, 30, -1]);
  });
});

describe("what is drawn", () => {
  it("has edges between points of the face only", () => {
    expect(EDGES.length).toBe(2 * 1322);
    expect(Math.max(...EDGES)).toBeLessThan(LANDMARK_COUNT);
  });

  it("fills the meter between −60 dB and full scale", () => {
    expect([meterShare(-60), meterShare(-30), meterShare(0), meterShare(10), meterShare(-120), meterShare(null)]).toEqual([0, 0.5, 1, 1, 0, 0]);
  });
});
