import { describe, expect, it } from "vitest";
import { delayMs } from "../src/api/backoff";
import { detailOf, Refused } from "../src/api/client";
import { StreamParser } from "../src/api/sse";
import type { EncounterV2, LiveReadback, Session } from "../src/generated/schemas";
import { pageOf } from "../src/route";
import { Intent, mayHaveArrived } from "../src/state/intent";
import { ofHealth, ofProbe, worst } from "../src/state/kinds";
import { line, type LineInput } from "../src/state/line";
import { sourceFault } from "../src/state/source";
import { rail, type RailInput } from "../src/state/rail";
import { terms, verdict } from "../src/state/verdict";

const session = (over: Partial<Session> = {}): Session =>
  ({
    session_id: "12345678-9abc-4def-8123-456789abcdef",
    status: "active",
    is_calibrating: false,
    calibration_frames_accumulated: 45,
    calibration_frames_required: 45,
    ...over,
  }) as Session;

const readback = (over: Partial<LiveReadback> = {}): LiveReadback =>
  ({ source_url: "demo:presenter", source_state: "playing", encounter_state: "awaiting_stimulus", encounters: [], ...over }) as LiveReadback;

const input = (over: Partial<RailInput> = {}): RailInput => ({
  session: session(),
  readback: readback(),
  isConnected: true,
  isEngineUp: true,
  submission: { state: "idle" },
  wasMeasuring: false,
  nowMs: Date.parse("2026-01-01T00:00:02Z"),
  ...over,
});

describe("the action bar", () => {
  it("is ready when everything is there", () => {
    expect(rail(input())).toMatchObject({ state: "idle", button: "Send Stimulus", isEnabled: true, message: null, pill: "ready" });
  });

  it.each<[string, Partial<RailInput>, RegExp]>([
    ["no session", { session: null, readback: null }, /No session is open/],
    ["no server", { isConnected: false }, /does not answer/],
    ["no engine", { isEngineUp: false }, /engine is away/],
    ["a baseline that is not ready", { session: session({ is_calibrating: true, calibration_frames_accumulated: 12 }) }, /12 of 45/],
    ["a baseline nobody knows of", { session: session({ calibration_frames_accumulated: null }) }, /not known/],
    ["no reading", { readback: null }, /No reading/],
    ["a source that does not play", { readback: readback({ source_state: "recovering" }) }, /recovering/],
  ])("is off with a reason: %s", (_name, over, reason) => {
    const state = rail(input(over));
    expect(state.isEnabled).toBe(false);
    expect(state.message).toMatch(reason);
  });

  it("goes through accepted, measuring, judging and completed, and counts down", () => {
    const at = (encounter_state: string, over: Partial<LiveReadback> = {}) => rail(input({ readback: readback({ encounter_state, ...over }) }));
    expect(rail(input({ submission: { state: "sending" } }))).toMatchObject({ state: "submitting", isEnabled: false });
    expect(at("stimulus_issued")).toMatchObject({ state: "accepted", isEnabled: false, asksAttestation: false });
    expect(at("measuring", { stimulus_time_utc: "2026-01-01T00:00:00Z" })).toMatchObject({ state: "measuring", countdownSecs: 3, asksAttestation: true });
    expect(at("measuring", { stimulus_time_utc: "2025-01-01T00:00:00Z" }).countdownSecs).toBe(0);
    expect(at("awaiting_attestation")).toMatchObject({ state: "judging", countdownSecs: null, asksAttestation: true });
    expect(rail(input({ wasMeasuring: true }))).toMatchObject({ state: "completed", isEnabled: true });
  });

  it("offers to try a failed one again", () => {
    const failed = rail(input({ submission: { state: "failed", message: "The server does not answer." } }));
    expect(failed).toMatchObject({ state: "failed", button: "Retry", isEnabled: true, message: "The server does not answer." });
  });
});

const encounter = (over: Partial<EncounterV2> = {}): EncounterV2 =>
  ({
    state_v2: "completed",
    applied: true,
    skip_reason: null,
    semantic_gate: 1,
    semantic_method: "operator_attested",
    p90_intensity: 0.8,
    gated_reward: 0.8,
    n_frames_in_window: 135,
    posterior_after: [1.8, 1.2],
    ...over,
  }) as EncounterV2;

describe("an encounter in words", () => {
  it("explains a counted reward term by term", () => {
    expect(verdict(encounter())).toEqual({ kind: "ok", pill: "counted", sentence: "Counted: 0.800 × 1 = 0.800." });
    const list = terms(encounter());
    expect(list.map((term) => term.value)).toEqual(["0.800", "1", "0.800", "Beta(1.800, 1.200)"]);
    expect(list[3]?.meaning).toContain("Beta(1.000, 1.000)");
    expect(list[0]?.meaning).toContain("135 face frames");
  });

  it("says what was not counted and why", () => {
    const skipped = (skip_reason: string) => verdict(encounter({ applied: false, skip_reason, semantic_gate: 0 }));
    expect(skipped("no_frames")).toMatchObject({ kind: "warn", pill: "not counted" });
    expect(skipped("data_gap").sentence).toContain("media was lost");
    expect(skipped("semantic_unavailable").kind).toBe("info");
    expect(skipped("some_new_reason").sentence).toContain("some new reason");
    expect(verdict(encounter({ semantic_gate: 0, gated_reward: 0 })).sentence).toContain("not delivered (you said so)");
  });

  it("explains nothing before it is over", () => {
    for (const state_v2 of ["stimulus_issued", "measuring", "awaiting_attestation"]) {
      expect(terms(encounter({ state_v2, applied: false }))).toEqual([]);
    }
  });
});

const lineInput = (over: Partial<LineInput> = {}): LineInput => ({
  isConnected: true,
  engine: "ok",
  session: session(),
  readback: readback(),
  picture: "playing",
  pictureWhy: null,
  ageMs: 40,
  absent: null,
  ...over,
});

describe("the state line", () => {
  it("says that all is well, and how old the newest reading is", () => {
    expect(line(lineInput())).toEqual({ kind: "ok", what: "demo:presenter plays", age: "newest reading under 0.1 s old", next: null });
    expect(line(lineInput({ ageMs: 2340 })).age).toContain("2.3 s");
    expect(line(lineInput({ ageMs: null })).age).toBe("no reading yet");
  });

  it.each<[string, Partial<LineInput>, string]>([
    ["server", { isConnected: false }, "error"],
    ["engine that stays down", { engine: "error" }, "error"],
    ["engine that restarts", { engine: "recovering" }, "progress"],
    ["failed source", { readback: readback({ source_state: "failed" }) }, "error"],
    ["stalled picture", { picture: "stalled" }, "warn"],
    ["lost picture", { picture: "lost", pictureWhy: "no way" }, "warn"],
    ["face", { absent: "no_face" }, "warn"],
  ])("says what to do about the %s", (_name, over, kind) => {
    const state = line(lineInput(over));
    expect(state.kind).toBe(kind);
    expect(state.next).toBeTruthy();
  });
});

describe("the way to the server", () => {
  it("waits 0.5 s, doubling to 8 s", () => {
    expect([0, 1, 2, 3, 4, 5, 60].map(delayMs)).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
    expect(delayMs(-1)).toBe(500);
  });

  it("reads events however they are cut, and passes over keep-alives", () => {
    const text = ': keep-alive\n\nevent: health\nid: health:1\nretry: 1000\ndata: {"a":\ndata: 1}\n\n: keep-alive\n\nevent: x\nid: 2\n\n';
    for (const size of [1, 2, 7, 1000]) {
      const parser = new StreamParser();
      const events = [];
      for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
      expect(events).toEqual([{ type: "health", id: "health:1", data: '{"a":\n1}' }]);
    }
  });

  it("gives up on a stream without an end of event", () => {
    const parser = new StreamParser();
    expect(() => {
      for (let n = 0; n < 100; n += 1) parser.push("x".repeat(100_000));
    }).toThrow(/no end/);
  });

  it("says what was refused in words", () => {
    expect(detailOf("no such session")).toBe("no such session");
    expect(detailOf([{ loc: ["body", "stream_url"], msg: "unknown scheme" }])).toBe("stream_url: unknown scheme");
    for (const none of [null, undefined, [], {}]) expect(detailOf(none)).toBe("The server refused the request.");
  });
});

describe("an intent", () => {
  it("keeps its name until it is settled, and takes another for another wish", () => {
    let made = 0;
    const intent = new Intent(() => `name ${(made += 1)}`);
    expect([intent.nameOf("a"), intent.nameOf("a")]).toEqual(["name 1", "name 1"]);
    expect(intent.nameOf("b")).toBe("name 2");
    intent.settle();
    expect(intent.nameOf("b")).toBe("name 3");
  });

  it("is over when the server refused it, and open when nobody knows", () => {
    expect(mayHaveArrived(new Refused("", "conflict", null, 409))).toBe(false);
    for (const status of [0, 500, 503]) expect(mayHaveArrived(new Refused("", "x", null, status))).toBe(true);
    expect(mayHaveArrived(new TypeError("cut off"))).toBe(true);
  });
});

describe("small rules", () => {
  it("takes the word that needs a person most", () => {
    expect(worst(["ok", "neutral", "warn"])).toBe("warn");
    expect(worst(["ok", "error", "warn"])).toBe("error");
    expect(worst(["ok"])).toBe("ok");
    expect([ofHealth("degraded"), ofHealth("recovering"), ofProbe("not_configured"), ofProbe("timeout")]).toEqual(["warn", "progress", "muted", "error"]);
  });

  it("opens the page of the address, and Live Session for any other", () => {
    expect([pageOf("#/health"), pageOf("#/live/x"), pageOf(""), pageOf("#/nothing")]).toEqual(["health", "live", "live", "live"]);
  });

  it("refuses a source without a kind before it is sent", () => {
    for (const good of ["demo:presenter", "android://device", "whip:studio"]) expect(sourceFault(good)).toBeNull();
    for (const bad of ["", "  ", "presenter", "my file.mp4", "file:"]) expect(sourceFault(bad)).not.toBeNull();
  });
});
