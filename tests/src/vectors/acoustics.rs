//! Area `acoustics`: pitch, pulses, jitter, shimmer and the windowed result (math 10).

use lsie_kernels::audio::{
    Form, FrameVoice, IslandMeasure, MeasureSettings, Pitch, PulseWindow, WindowMeasure, assemble,
    find_pulses, jitter_local, mean_period_secs, measure_frames, measure_segment,
    semitones_between, shimmer_local, unit_from_s16,
};
use lsie_schemas::contract::AcousticMetrics;
use lsie_schemas::id::pcm_checksum;
use serde_json::{Map, Value, json};

use super::case::as_float;
use super::{Case, Input, Outcome, RunError, Tolerance, difference, number, waveform};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    match case.op {
        "waveform" => waveform_case(case),
        "window_measure" => window_measure(case),
        "frames" => frames(case.input).map(Outcome::Output),
        "semitones" => {
            let (measure, baseline) = (
                case.input.optional_float("measure_hz")?,
                case.input.optional_float("baseline_hz")?,
            );
            Ok(Outcome::Output(
                json!({"delta": semitones_between(measure, baseline)}),
            ))
        }
        "assemble" => Ok(Outcome::Output(metrics_json(&assemble(
            window_input(case.input, "measure")?,
            window_input(case.input, "baseline")?,
        )))),
        _ => Err(RunError::UnknownOperation),
    }
}

/// Both forms are held to the file's strict tolerances, which a plain port of the algorithm needs not meet.
fn waveform_case(case: &Case<'_>) -> Result<Outcome, RunError> {
    let samples = waveform::render(case.input.at("recipe")?)?;
    let (start_s, stimulus_s) = (
        case.input.float("segment_start_s")?,
        case.input.optional_float("stimulus_time_s")?,
    );
    for form in [Form::Reference, Form::Fast] {
        let pitch = Pitch::analyse(&samples, form);
        let settings = MeasureSettings {
            form,
            ..MeasureSettings::default()
        };
        let mut got = metrics_json(&measure_segment(&samples, start_s, stimulus_s, settings));
        if let Some(object) = got.as_object_mut() {
            object.insert("frames".into(), json!(pitch.frames().len()));
            object.insert(
                "voiced_frames".into(),
                json!(pitch.frames().iter().filter(|f| f.is_voiced()).count()),
            );
            object.insert(
                "pulses".into(),
                json!(find_pulses(&samples, &pitch).times_s().len()),
            );
            object.insert("pcm_sha256".into(), json!(checksum(&samples)));
        }
        if let Some(text) = strict_difference(&got, case) {
            return Ok(Outcome::Verdict(Err(format!("{form:?}: {text}"))));
        }
    }
    Ok(Outcome::Verdict(Ok(())))
}

fn strict_difference(got: &Value, case: &Case<'_>) -> Option<String> {
    let strict = case
        .file
        .get("tolerance")
        .and_then(|t| t.get("waveform_strict"));
    let limit = |key: &str| {
        strict
            .and_then(|s| s.get(key))
            .and_then(Value::as_f64)
            .unwrap_or(0.0)
    };
    case.expect
        .as_object()
        .into_iter()
        .flatten()
        .find_map(|(key, want)| {
            let abs = match key.as_str() {
                k if k.starts_with("f0_mean") => limit("f0_hz_abs"),
                k if k.starts_with("jitter") => limit("jitter_abs"),
                k if k.starts_with("shimmer") => limit("shimmer_abs"),
                k if k.starts_with("voiced_coverage") => limit("coverage_s_abs"),
                // Two frequencies of 75 Hz or more, each within the strict limit.
                "f0_delta_semitones" => {
                    2.0 * 12.0 * limit("f0_hz_abs") / 75.0 / std::f64::consts::LN_2
                }
                _ => 0.0,
            };
            let got = got.get(key).unwrap_or(&Value::Null);
            difference(got, want, Tolerance { abs, rel: 0.0 }).map(|text| format!("{key}{text}"))
        })
}

fn window_measure(case: &Case<'_>) -> Result<Outcome, RunError> {
    let samples = waveform::render(case.input.at("recipe")?)?;
    if case.raw.get("pcm_sha256") != Some(&json!(checksum(&samples))) {
        return Err(RunError::Input("the recipe gives other samples".into()));
    }
    let pulses = find_pulses(&samples, &Pitch::analyse(&samples, Form::Fast));
    let window = PulseWindow::new(
        pulses.times_s(),
        case.input.float("start_s")?,
        case.input.float("end_s")?,
    );
    let inside = window.pulses();
    Ok(Outcome::Output(json!({
        "jitter_local": jitter_local(&window),
        "shimmer_local": shimmer_local(&window, &unit_from_s16(&samples)),
        "low_index": window.low_index(),
        "high_index": window.high_index(),
        "seed_peak_count": window.seed_peak_count(),
        "pulses_inside": inside.len(),
        "first_pulse_s": inside.first(),
        "last_pulse_s": inside.last(),
        "mean_period_s": mean_period_secs(&window),
    })))
}

fn frames(input: Input<'_>) -> Result<Value, RunError> {
    let frames: Option<Vec<FrameVoice>> = input.list("frames")?.iter().map(frame).collect();
    let frames =
        frames.ok_or_else(|| RunError::Input("`frames` is not a list of frames".into()))?;
    let measurements: Option<Vec<IslandMeasure>> = input
        .list("measurements_in_call_order")?
        .iter()
        .map(island)
        .collect();
    let mut measurements = measurements
        .ok_or_else(|| RunError::Input("malformed measurement".into()))?
        .into_iter();
    let mut tried = Vec::new();
    let metrics = measure_frames(
        &frames,
        input.optional_float("stimulus_time_s")?,
        |start_s, end_s| {
            tried.push(json!([start_s, end_s]));
            measurements.next()
        },
    );
    let mut got = metrics_json(&metrics);
    if let Some(object) = got.as_object_mut() {
        object.insert("islands_tried".into(), Value::from(tried));
    }
    Ok(got)
}

fn frame(raw: &Value) -> Option<FrameVoice> {
    Some(FrameVoice {
        time_s: as_float(raw.get(0)?)?,
        duration_s: as_float(raw.get(1)?)?,
        f0_hz: raw.get(2).and_then(as_float),
        strength: as_float(raw.get(3)?)?,
        harmonic: 1,
    })
}

fn island(raw: &Value) -> Option<IslandMeasure> {
    let peaks = usize::try_from(raw.get(0)?.as_u64()?).ok()?;
    Some(IslandMeasure {
        peaks,
        jitter: raw.get(1).and_then(as_float),
        shimmer: raw.get(2).and_then(as_float),
    })
}

fn window_input(input: Input<'_>, side: &str) -> Result<WindowMeasure, RunError> {
    let flag = |name: &str| {
        let key = format!("{name}_{side}");
        if input.is_null(&key) {
            Ok(false)
        } else {
            input.boolean(&key)
        }
    };
    let float = |name: &str, unit: &str| input.optional_float(&format!("{name}_{side}{unit}"));
    Ok(WindowMeasure {
        f0_valid: flag("f0_valid")?,
        perturbation_valid: flag("perturbation_valid")?,
        coverage_s: float("voiced_coverage", "_s")?.unwrap_or(0.0),
        f0_mean_hz: float("f0_mean", "_hz")?,
        jitter: float("jitter_mean", "")?,
        shimmer: float("shimmer_mean", "")?,
        subharmonic_s: 0.0,
        hnr_db: None,
    })
}

fn metrics_json(m: &AcousticMetrics) -> Value {
    let optional = |value: Option<f64>| value.map_or(Value::Null, number);
    let mut object = Map::new();
    for (key, flag) in [
        ("f0_valid_measure", m.f0_valid_measure),
        ("f0_valid_baseline", m.f0_valid_baseline),
        ("perturbation_valid_measure", m.perturbation_valid_measure),
        ("perturbation_valid_baseline", m.perturbation_valid_baseline),
    ] {
        object.insert(key.into(), Value::from(flag));
    }
    for (key, value) in [
        (
            "voiced_coverage_measure_s",
            Some(m.voiced_coverage_measure_s),
        ),
        (
            "voiced_coverage_baseline_s",
            Some(m.voiced_coverage_baseline_s),
        ),
        ("f0_mean_measure_hz", m.f0_mean_measure_hz),
        ("f0_mean_baseline_hz", m.f0_mean_baseline_hz),
        ("f0_delta_semitones", m.f0_delta_semitones),
        ("jitter_mean_measure", m.jitter_mean_measure),
        ("jitter_mean_baseline", m.jitter_mean_baseline),
        ("jitter_delta", m.jitter_delta),
        ("shimmer_mean_measure", m.shimmer_mean_measure),
        ("shimmer_mean_baseline", m.shimmer_mean_baseline),
        ("shimmer_delta", m.shimmer_delta),
    ] {
        object.insert(key.into(), optional(value));
    }
    Value::Object(object)
}

fn checksum(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    pcm_checksum(&bytes)
}
