//! Sound on the CPU: resampling, level, the acoustic set of math 10 (pitch, pulses, jitter, shimmer) with the
//! harmonics-to-noise ratio, and for later stages intensity and a log-mel spectrogram.
//!
//! ```text
//! f32 blocks any rate ─ resample ─▶ s16 16 kHz mono ─ PitchStream ─▶ Pitch ─ find_pulses ─▶ Pulses
//!                                        │ level                        └───────┬──────────────┘
//!                                        ▼                                      ▼ measure_segment
//!                                  rms, peak dBFS                        AcousticMetrics (contracts 5.7)
//! ```
//!
//! One contract: the same samples give the same numbers, in one piece or in blocks, bit for bit on one build and machine.
//! Samples are s16 / 32768, so every sum of products is exact in f64 and may be added in any order.
//! On the processor nothing here touches a device buffer. Sound of a session on another device is resampled there
//! ([`crate::resample`]), its frames of pitch correlated ([`crate::correlate`]) and transformed ([`crate::stft`]) and its pulses matched
//! ([`crate::pulse`]); it then equals this within those kernels' budgets, not bit for bit.

mod harmonicity;
mod intensity;
mod level;
mod measure;
mod measurer;
mod mel;
mod perturbation;
mod pitch;
mod pulse;
mod resample;

pub use harmonicity::{LIMIT_DB, harmonics_to_noise_db, mean_harmonics_to_noise_db};
pub use intensity::{IntensityError, IntensityFrame, intensity_frames};
pub use level::{FLOOR_DBFS, Level, LevelMeter};
pub use measure::{
    FrameVoice, IslandMeasure, MeasureSettings, WindowMeasure, assemble, measure_frames,
    measure_track, semitones_between,
};
pub use measurer::{SegmentMeasurer, measure_segment, measure_span};
pub use mel::{MEL_BANDS, MEL_STEP_SAMPLES, MelError, MelSpectrogram};
pub use perturbation::{PulseWindow, jitter_local, mean_period_secs, shimmer_local};
pub(crate) use pitch::FrameCorrelator;
pub use pitch::{
    Form, FrameBatch, Pitch, PitchError, PitchFrame, PitchNow, PitchStream, SharedFrameBatch,
};
pub use pulse::{Pulses, find_pulses, find_pulses_on};
pub use resample::{OUTPUT_RATE_HZ, ResampleError, Resampler, s16_from_unit};

/// Sample rate of every analysis here, Hz.
pub const RATE_HZ: f64 = 16_000.0;

/// Samples as the formulas want them: s16 / 32768 (math 10.1).
#[must_use]
pub fn unit_from_s16(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|s| f64::from(*s) / 32768.0).collect()
}
