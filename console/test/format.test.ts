import { describe, expect, it } from "vitest";
import * as format from "../src/format";

describe("values are written in one form each", () => {
  it("writes instants in UTC, and a dash for none", () => {
    expect(format.time("2026-01-02T03:04:05.678901+01:00")).toBe("2026-01-02 02:04:05Z");
    for (const none of [null, undefined, "", "yesterday"]) expect(format.time(none)).toBe("—");
    expect(format.clock("2026-01-02T03:04:05Z")).toBe("03:04:05");
  });

  it.each([
    [3723, "1h 2m 3s"],
    [123.9, "2m 3s"],
    [3, "3s"],
    [0, "0s"],
    [-1, "—"],
    [Number.NaN, "—"],
    [null, "—"],
  ])("writes a duration of %s s as %s", (secs, text) => expect(format.duration(secs)).toBe(text));

  it.each([
    [4.2, "00:05"],
    [0, "00:00"],
    [-3, "00:00"],
    [61, "01:01"],
  ])("counts %s s down as %s", (secs, text) => expect(format.countdown(secs)).toBe(text));

  it("writes each kind of number with its digits, sign and unit", () => {
    expect(format.ratio(0.1234)).toBe("12.3%");
    expect(format.confidence(0.844)).toBe("84%");
    expect(format.score(0.87654)).toBe("0.877");
    expect([format.coModulation(0.3421), format.coModulation(-0.3421)]).toEqual(["+0.342", "−0.342"]);
    expect(format.pitch(210)).toBe("210.0 Hz");
    expect(format.pitch(210, 1)).toBe("210.0 Hz");
    expect(format.pitch(350.1, 2)).toBe("350 or 700 Hz");
    expect(format.pitch(null, 2)).toBe(format.pitch(null));
    expect(format.semitones(0.84)).toBe("+0.84 st");
    expect([format.perturbation(0.0123), format.perturbationDelta(0.0123)]).toEqual(["0.0123", "+0.0123"]);
    expect(format.voiced(2)).toBe("2.00s");
    expect([format.latency(87), format.latency(1250)]).toEqual(["87ms", "1.25s"]);
    expect([format.freshness(75, true), format.freshness(12.4, false)]).toEqual(["75s (stale)", "12s (fresh)"]);
    expect([format.rmssd(42.4), format.heartRate(71)]).toEqual(["42 ms", "71 bpm"]);
    expect([format.level(-23.4), format.level(0)]).toEqual(["−23 dB", "0 dB"]);
  });

  it("never writes a number that is none", () => {
    const all = [format.ratio, format.score, format.coModulation, format.pitch, format.latency, format.rmssd, format.level];
    for (const write of all) for (const none of [null, undefined, Number.NaN, Infinity]) expect(write(none)).toBe("—");
  });

  it("shortens identifiers and texts", () => {
    expect(format.shortId("12345678-9abc-4def-8123-456789abcdef")).toBe("12345678…cdef");
    expect(format.shortId("short")).toBe("short");
    expect(format.cut("a".repeat(61), 60)).toHaveLength(60);
    expect(format.cut("👋".repeat(3), 3)).toBe("👋👋👋");
    expect(format.words("data_gap")).toBe("data gap");
  });
});
