//! From frames and pulses to the windowed result around a stimulus (math 5, 10.6, 10.7).
//!
//! ```text
//! W_base = [t-5, t-2]   W_measure = [t+0.5, t+5]   bounds inclusive
//! voiced frames ─ join ─▶ islands ─ longest first ─▶ jitter and shimmer of the first island with enough pulses
//! ```

use lsie_schemas::contract::AcousticMetrics;

use super::harmonicity::mean_db;
use super::perturbation::{PulseWindow, jitter_local, shimmer_local};
use super::pitch::{Form, Pitch, STEP_SECS};
use super::pulse::{Pulses, find_pulses};
use super::{RATE_HZ, unit_from_s16};

const VOICED_STRENGTH: f64 = 0.45;
const LEAST_COVERAGE_SECS: f64 = 1.0;
const LEAST_ISLAND_SECS: f64 = 0.2;
const LEAST_PEAKS: usize = 4;

/// One pitch frame in absolute time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameVoice {
    /// Centre, epoch seconds.
    pub time_s: f64,
    /// Duration, seconds.
    pub duration_s: f64,
    /// Fundamental frequency in Hz, if any.
    pub f0_hz: Option<f64>,
    /// Voicing strength, 0 to 1.
    pub strength: f64,
    /// The harmonic of `f0_hz` that the spectrum has for a fundamental, from 1.
    pub harmonic: u8,
}

/// Jitter and shimmer of one stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IslandMeasure {
    /// Pulses counted; fewer than 4 disqualify the stretch.
    pub peaks: usize,
    /// Jitter (local).
    pub jitter: Option<f64>,
    /// Shimmer (local).
    pub shimmer: Option<f64>,
}

/// Result of one of the two windows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WindowMeasure {
    /// F0 is usable: at least 1 s voiced and one island of 0.2 s.
    pub f0_valid: bool,
    /// An island gave jitter and shimmer.
    pub perturbation_valid: bool,
    /// Voiced time, seconds.
    pub coverage_s: f64,
    /// Mean F0, Hz.
    pub f0_mean_hz: Option<f64>,
    /// Jitter (local).
    pub jitter: Option<f64>,
    /// Shimmer (local).
    pub shimmer: Option<f64>,
    /// Voiced time in which the spectrum says that the pitch is too low, seconds (rule B10); `f0_mean_hz` holds it all the same.
    pub subharmonic_s: f64,
    /// Mean harmonics-to-noise ratio of the frames that count for F0, dB.
    pub hnr_db: Option<f64>,
}

/// Choices of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MeasureSettings {
    /// Count only pulses inside an island instead of the older system's two more (rule B10).
    pub strict_perturbation: bool,
    /// How pitch candidates are refined.
    pub form: Form,
}

/// Like [`super::measure_segment`] with a pitch track already made, for instance by a stream, from the same samples.
#[must_use]
pub fn measure_track(
    samples: &[i16],
    pitch: &Pitch,
    segment_start_s: f64,
    stimulus_time_s: Option<f64>,
    settings: MeasureSettings,
) -> AcousticMetrics {
    let pulses = find_pulses(samples, pitch);
    measure_pulses(
        (samples, pitch, &pulses),
        segment_start_s,
        stimulus_time_s,
        settings,
    )
}

/// Like [`measure_track`] with the pulses of the samples and their pitch.
pub(super) fn measure_pulses(
    (samples, pitch, pulses): (&[i16], &Pitch, &Pulses),
    segment_start_s: f64,
    stimulus_time_s: Option<f64>,
    settings: MeasureSettings,
) -> AcousticMetrics {
    let frames = voices(pitch, segment_start_s);
    let unit = unit_from_s16(samples);
    let duration_s = unit.len() as f64 / RATE_HZ;
    measure_frames(&frames, stimulus_time_s, |start_s, end_s| {
        let (from_s, to_s) = (
            (start_s - segment_start_s).max(0.0),
            (end_s - segment_start_s).min(duration_s),
        );
        (from_s < to_s)
            .then(|| measure_island(pulses, &unit, from_s, to_s, settings.strict_perturbation))
    })
}

/// Like [`super::measure_span`] with the pitch and the pulses of the samples.
pub(super) fn measure_span_pulses(
    (samples, pitch, pulses): (&[i16], &Pitch, &Pulses),
    settings: MeasureSettings,
) -> WindowMeasure {
    let (frames, unit) = (voices(pitch, 0.0), unit_from_s16(samples));
    let duration_s = unit.len() as f64 / RATE_HZ;
    cleaned(measure_window(
        &frames,
        0.0,
        duration_s,
        &mut |from_s, to_s| {
            let (from_s, to_s) = (from_s.max(0.0), to_s.min(duration_s));
            (from_s < to_s)
                .then(|| measure_island(pulses, &unit, from_s, to_s, settings.strict_perturbation))
        },
    ))
}

/// The frames of a track that begins at `start_s`.
fn voices(pitch: &Pitch, start_s: f64) -> Vec<FrameVoice> {
    let frames = pitch.frames().iter();
    let voices = frames.map(|frame| FrameVoice {
        time_s: start_s + frame.time_s,
        duration_s: STEP_SECS,
        f0_hz: Some(frame.f0_hz),
        strength: frame.strength,
        harmonic: frame.harmonic,
    });
    voices.collect()
}

/// The windowed result from frames and a measurement of stretches (epoch seconds); `None` from it means it failed there.
/// The measurement window is asked first, then the baseline window, islands by length.
pub fn measure_frames(
    frames: &[FrameVoice],
    stimulus_time_s: Option<f64>,
    mut measure_island: impl FnMut(f64, f64) -> Option<IslandMeasure>,
) -> AcousticMetrics {
    let Some(t) = stimulus_time_s.filter(|t| t.is_finite()) else {
        return AcousticMetrics::default();
    };
    let measure = measure_window(frames, t + 0.5, t + 5.0, &mut measure_island);
    let baseline = measure_window(frames, t - 5.0, t - 2.0, &mut measure_island);
    assemble(measure, baseline)
}

/// Puts two windows together: invalid parts become null, differences need both sides (math 10.6, 10.7).
#[must_use]
pub fn assemble(measure: WindowMeasure, baseline: WindowMeasure) -> AcousticMetrics {
    let (measure, baseline) = (cleaned(measure), cleaned(baseline));
    let difference = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
    AcousticMetrics {
        f0_valid_measure: measure.f0_valid,
        f0_valid_baseline: baseline.f0_valid,
        perturbation_valid_measure: measure.perturbation_valid,
        perturbation_valid_baseline: baseline.perturbation_valid,
        voiced_coverage_measure_s: measure.coverage_s,
        voiced_coverage_baseline_s: baseline.coverage_s,
        f0_mean_measure_hz: measure.f0_mean_hz,
        f0_mean_baseline_hz: baseline.f0_mean_hz,
        f0_delta_semitones: semitones_between(measure.f0_mean_hz, baseline.f0_mean_hz),
        jitter_mean_measure: measure.jitter,
        jitter_mean_baseline: baseline.jitter,
        jitter_delta: difference(measure.jitter, baseline.jitter),
        shimmer_mean_measure: measure.shimmer,
        shimmer_mean_baseline: baseline.shimmer,
        shimmer_delta: difference(measure.shimmer, baseline.shimmer),
    }
}

/// 12 log2(measure / baseline); `None` unless both are positive and finite (math 10.7).
#[must_use]
pub fn semitones_between(measure_hz: Option<f64>, baseline_hz: Option<f64>) -> Option<f64> {
    let usable = |f0: Option<f64>| f0.filter(|f0| f0.is_finite() && *f0 > 0.0);
    Some(12.0 * (usable(measure_hz)? / usable(baseline_hz)?).log2())
}

fn cleaned(window: WindowMeasure) -> WindowMeasure {
    let finite = |value: Option<f64>| value.filter(|v| v.is_finite());
    let both = finite(window.jitter).zip(finite(window.shimmer));
    let pair = both.filter(|_| window.perturbation_valid && window.f0_valid);
    WindowMeasure {
        f0_valid: window.f0_valid,
        perturbation_valid: pair.is_some(),
        coverage_s: if window.coverage_s.is_finite() {
            window.coverage_s.max(0.0)
        } else {
            0.0
        },
        subharmonic_s: window.subharmonic_s,
        f0_mean_hz: finite(window.f0_mean_hz).filter(|_| window.f0_valid),
        jitter: pair.map(|p| p.0),
        shimmer: pair.map(|p| p.1),
        hnr_db: finite(window.hnr_db).filter(|_| window.f0_valid),
    }
}

/// Voiced frames that adjoin.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Island {
    start_s: f64,
    last: FrameVoice,
    duration_s: f64,
}

fn measure_window(
    frames: &[FrameVoice],
    start_s: f64,
    end_s: f64,
    measure_island: &mut impl FnMut(f64, f64) -> Option<IslandMeasure>,
) -> WindowMeasure {
    let mut inside: Vec<FrameVoice> = frames
        .iter()
        .copied()
        .filter(|f| start_s <= f.time_s && f.time_s <= end_s)
        .collect();
    inside.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    let voiced = || inside.iter().filter(|f| f.strength >= VOICED_STRENGTH);
    // Not `sum`: that of nothing is -0.
    let seconds = |sum: f64, frame: &FrameVoice| sum + frame.duration_s.max(0.0);
    let coverage_s = voiced().fold(0.0, seconds);
    let mut islands = islands_of(&inside);
    islands.sort_by(|a, b| {
        b.duration_s
            .total_cmp(&a.duration_s)
            .then(a.start_s.total_cmp(&b.start_s))
    });
    let longest_s = islands.first().map_or(0.0, |island| island.duration_s);
    let f0_valid = coverage_s >= LEAST_COVERAGE_SECS && longest_s >= LEAST_ISLAND_SECS;
    let subharmonic = voiced().filter(|f| f.harmonic > 1);
    let mut result = WindowMeasure {
        f0_valid,
        coverage_s,
        subharmonic_s: subharmonic.fold(0.0, seconds),
        ..WindowMeasure::default()
    };
    if !f0_valid {
        return result;
    }
    let pitched = || voiced().filter(|f| f.f0_hz.is_some_and(|f0| f0 > 0.0));
    result.f0_mean_hz = mean(pitched().filter_map(|f| f.f0_hz));
    result.hnr_db = mean_db(pitched().map(|f| f.strength));
    for island in islands {
        let end_s = island.last.time_s + island.last.duration_s / 2.0;
        let measured = measure_island(island.start_s, end_s).filter(|m| m.peaks >= LEAST_PEAKS);
        let pair = measured
            .and_then(|m| m.jitter.zip(m.shimmer))
            .filter(|(j, s)| j.is_finite() && s.is_finite());
        if let Some((jitter, shimmer)) = pair {
            return WindowMeasure {
                perturbation_valid: true,
                jitter: Some(jitter),
                shimmer: Some(shimmer),
                ..result
            };
        }
    }
    result
}

fn islands_of(sorted: &[FrameVoice]) -> Vec<Island> {
    let mut islands: Vec<Island> = Vec::new();
    let mut is_joined = false;
    for frame in sorted {
        if frame.strength.is_nan() || frame.strength < VOICED_STRENGTH {
            is_joined = false;
            continue;
        }
        match islands.last_mut() {
            Some(island) if is_joined && is_adjoining(&island.last, frame) => {
                island.duration_s += frame.duration_s.max(0.0);
                island.last = *frame;
            }
            _ => islands.push(Island {
                start_s: frame.time_s - frame.duration_s / 2.0,
                last: *frame,
                duration_s: frame.duration_s.max(0.0),
            }),
        }
        is_joined = true;
    }
    islands
}

fn is_adjoining(a: &FrameVoice, b: &FrameVoice) -> bool {
    b.time_s - a.time_s <= 1.5 * a.duration_s.max(b.duration_s)
}

fn measure_island(
    pulses: &Pulses,
    samples: &[f64],
    from_s: f64,
    to_s: f64,
    is_strict: bool,
) -> IslandMeasure {
    let window = PulseWindow::new(pulses.times_s(), from_s, to_s);
    IslandMeasure {
        peaks: if is_strict {
            window.pulses_inside()
        } else {
            window.seed_peak_count()
        },
        jitter: jitter_local(&window),
        shimmer: shimmer_local(&window, samples),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}
