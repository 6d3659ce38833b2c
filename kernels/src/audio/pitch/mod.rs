//! Pitch by autocorrelation (Boersma 1993) exactly as math 10.2 states it.
//!
//! in: s16 at 16 kHz   out: one frame per 0.01 s with F0 in Hz and voicing strength, 0 where unvoiced
//! v1 `Form::Reference`: every candidate refined by a windowed sinc of depth 70 under Brent's method, plainly transcribed
//! v2 `Form::Fast`: the same sinc as a polynomial of the phase, its maximum by Newton's method
//! tolerance between them: the same voicing in every frame, F0 within 1e-6 Hz, strength within 1e-9

mod batch;
mod frame;
mod harmonic;
mod path;
mod sinc;
mod stream;

pub use batch::FrameBatch;
pub(crate) use frame::FrameCorrelator;
pub use stream::{PitchNow, PitchStream, SharedFrameBatch};

use super::RATE_HZ;

/// Pitch floor, Hz.
pub(super) const FLOOR_HZ: f64 = 75.0;
/// Pitch ceiling, Hz.
pub(super) const CEILING_HZ: f64 = 600.0;
/// Distance of frames, seconds.
pub(super) const STEP_SECS: f64 = 0.01;
/// Length of the analysis window, seconds.
const WINDOW_SECS: f64 = 0.04;
const VOICING_THRESHOLD: f64 = 0.45;
const SILENCE_THRESHOLD: f64 = 0.03;
const OCTAVE_COST: f64 = 0.01;
const OCTAVE_JUMP_COST: f64 = 0.35;
const VOICED_UNVOICED_COST: f64 = 0.14;

/// How candidates are refined; both forms agree within the stated tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// Plain transcription.
    Reference,
    /// Polynomial form, the default.
    #[default]
    Fast,
}

/// Why there is no pitch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PitchError {
    /// The segment has not been filled; push the rest first.
    #[error("{missing_samples} samples of the segment are missing")]
    Incomplete {
        /// Samples still to come.
        missing_samples: usize,
    },
}

/// One analysis frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PitchFrame {
    /// Centre of the frame, seconds from the segment's start.
    pub time_s: f64,
    /// Fundamental frequency in Hz; 0 when unvoiced.
    pub f0_hz: f64,
    /// Normalised autocorrelation at the period, 0 to 1; 0 when unvoiced.
    pub strength: f64,
    /// The harmonic of `f0_hz` that the spectrum has for a fundamental: 1; or 2 to 5, where the sound's pitch is likely so many times as
    /// high (rule B10).
    pub harmonic: u8,
}

impl PitchFrame {
    /// Whether the path chose a voiced candidate.
    #[must_use]
    pub fn is_voiced(&self) -> bool {
        self.f0_hz > 0.0
    }
}

/// The pitch track of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Pitch {
    frames: Vec<PitchFrame>,
    grid: FrameGrid,
}

impl Pitch {
    /// Analyses a whole segment at once: a [`PitchStream`] that gets everything in one block.
    #[must_use]
    pub fn analyse(samples: &[i16], form: Form) -> Self {
        let mut stream = PitchStream::new(samples.len(), form);
        stream.push(samples);
        stream.track()
    }

    /// Frames in order of time.
    #[must_use]
    pub fn frames(&self) -> &[PitchFrame] {
        &self.frames
    }

    /// F0 at a time in seconds: linear between two voiced frames, the nearer one if only it is voiced, else `None`
    /// (math 10.3).
    #[must_use]
    pub fn f0_at(&self, time_s: f64) -> Option<f64> {
        let position = (time_s - self.grid.first_s) / STEP_SECS;
        let left = position.floor();
        let phase = position - left;
        let voiced = |index: f64| {
            let frame = (index >= 0.0)
                .then(|| self.frames.get(index as usize))
                .flatten();
            frame.map(|f| f.f0_hz).filter(|f0| *f0 > 0.0)
        };
        match (voiced(left), voiced(left + 1.0)) {
            (Some(a), Some(b)) => Some(a + phase * (b - a)),
            (Some(a), None) if phase < 0.5 => Some(a),
            (None, Some(b)) if phase >= 0.5 => Some(b),
            _ => None,
        }
    }

    /// Maximal runs of voiced frames, each widened by half a step on both sides, in seconds.
    #[must_use]
    pub fn voiced_intervals(&self) -> Vec<(f64, f64)> {
        self.frames
            .chunk_by(|a, b| a.is_voiced() == b.is_voiced())
            .filter_map(|run| Some((run.first()?, run.last()?)))
            .filter(|(first, _)| first.is_voiced())
            .map(|(first, last)| {
                (
                    first.time_s - STEP_SECS / 2.0,
                    last.time_s + STEP_SECS / 2.0,
                )
            })
            .collect()
    }
}

/// Where frames lie in a segment (math 10.2).
#[derive(Debug, Clone, Copy, PartialEq)]
struct FrameGrid {
    count: usize,
    first_s: f64,
}

impl FrameGrid {
    fn of(samples: usize) -> Self {
        let duration_s = samples as f64 * (1.0 / RATE_HZ);
        let count = ((duration_s - WINDOW_SECS) / STEP_SECS).floor() + 1.0;
        // The cast turns a negative count into 0.
        let count = count as usize;
        Self {
            count,
            first_s: duration_s / 2.0 - count as f64 * STEP_SECS / 2.0 + STEP_SECS / 2.0,
        }
    }

    fn time_s(&self, frame: usize) -> f64 {
        self.first_s + frame as f64 * STEP_SECS
    }

    /// 0-based sample at or left of the frame's centre.
    fn sample_left_of(&self, frame: usize) -> usize {
        (self.time_s(frame) / (1.0 / RATE_HZ) - 0.5)
            .floor()
            .max(0.0) as usize
    }
}
