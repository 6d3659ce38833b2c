//! Intensity as Praat defines it: squares under a Kaiser window, dB re 2e-5 Pa with full scale as 1 Pa.
//!
//! in: s16 at 16 kHz, the lowest pitch   out: one frame per 0.8 / lowest pitch seconds
//! window of 6.4 / lowest pitch seconds, w(t) = I0((2 pi^2 + 1/2) sqrt(1 - t^2)), t from -1 to 1; the plain mean under the
//! window is taken off first

use super::{RATE_HZ, unit_from_s16};
use crate::resample::bessel_i0;

/// Reference pressure squared, Pa^2.
const REFERENCE_SQUARED: f64 = 4e-10;
const SHAPE: f64 = 2.0 * std::f64::consts::PI * std::f64::consts::PI + 0.5;
/// Lowest pitches between which a window has some and not too many samples, Hz.
const LOWEST_PITCH_HZ: std::ops::RangeInclusive<f64> = 10.0..=1000.0;

/// Why there is no intensity.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum IntensityError {
    /// The lowest pitch is outside 10 to 1000 Hz or not a number.
    #[error("a lowest pitch of {hz} Hz is outside 10 to 1000")]
    PitchOutOfRange {
        /// What was asked for, Hz.
        hz: f64,
    },
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensityFrame {
    /// Centre, seconds from the segment's start.
    pub time_s: f64,
    /// Intensity, dB; `None` where every sample under the window is the same (digital silence).
    pub db: Option<f64>,
}

/// Intensity of a segment; empty when it is shorter than one window.
pub fn intensity_frames(
    samples: &[i16],
    lowest_pitch_hz: f64,
) -> Result<Vec<IntensityFrame>, IntensityError> {
    if !LOWEST_PITCH_HZ.contains(&lowest_pitch_hz) {
        return Err(IntensityError::PitchOutOfRange {
            hz: lowest_pitch_hz,
        });
    }
    let (window_s, step_s) = (6.4 / lowest_pitch_hz, 0.8 / lowest_pitch_hz);
    let duration_s = samples.len() as f64 / RATE_HZ;
    // The cast turns a negative count into 0.
    let count = (((duration_s - window_s) / step_s).floor() + 1.0) as usize;
    let first_s = duration_s / 2.0 - count as f64 * step_s / 2.0 + step_s / 2.0;
    let (samples, window) = (unit_from_s16(samples), kaiser(window_s / 2.0));
    let reach = window.len() / 2;
    Ok((0..count)
        .map(|frame| {
            let time_s = first_s + frame as f64 * step_s;
            let centre = nearest_sample(time_s);
            IntensityFrame {
                time_s,
                db: intensity_at(&samples, &window, centre, reach),
            }
        })
        .collect())
}

/// 0-based. Frames often lie midway between two samples; the sums are written so that rounding falls as it does in Praat.
fn nearest_sample(time_s: f64) -> usize {
    let step_s = 1.0 / RATE_HZ;
    let number = ((time_s - 0.5 * step_s) / step_s + 1.0 + 0.5).floor();
    (number - 1.0).max(0.0) as usize
}

fn intensity_at(samples: &[f64], window: &[f64], centre: usize, reach: usize) -> Option<f64> {
    let first = centre.saturating_sub(reach);
    let end = (centre + reach + 1).min(samples.len());
    let held = samples.get(first..end)?;
    let weights = window.get(first + reach - centre..)?;
    let mean = held.iter().sum::<f64>() / held.len() as f64;
    let (mut energy, mut total) = (0.0, 0.0);
    for (x, w) in held.iter().zip(weights) {
        energy += (x - mean) * (x - mean) * w;
        total += w;
    }
    (energy > 0.0).then(|| 10.0 * (energy / total / REFERENCE_SQUARED).log10())
}

/// The window at every whole sample within `half_s` of its centre.
fn kaiser(half_s: f64) -> Vec<f64> {
    let reach = (half_s * RATE_HZ).floor() as i32;
    (-reach..=reach)
        .map(|k| {
            let t = f64::from(k) / RATE_HZ / half_s;
            bessel_i0(SHAPE * (1.0 - t * t).max(0.0).sqrt())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_sine_has_its_power() {
        let sine: Vec<i16> = (0..16_000)
            .map(|n| (32767.0 * (f64::from(n) * 0.2).sin()) as i16)
            .collect();
        let frames = intensity_frames(&sine, 75.0).unwrap();
        assert_eq!(frames.len(), 86);
        // Half of 1 Pa squared over the reference.
        let wanted = 10.0 * (0.5_f64 / 4e-10).log10();
        assert!(frames.iter().all(|f| (f.db.unwrap() - wanted).abs() < 0.01));
        let middle = f64::midpoint(frames[0].time_s, frames[85].time_s);
        assert!((middle - 0.5).abs() < 1e-12);
    }

    #[test]
    fn silence_and_steady_pressure_have_none() {
        for samples in [[0_i16; 4000], [i16::MAX; 4000]] {
            let frames = intensity_frames(&samples, 75.0).unwrap();
            assert!(!frames.is_empty() && frames.iter().all(|f| f.db.is_none()));
        }
    }

    #[test]
    fn too_short_is_empty_and_a_broken_pitch_is_refused() {
        assert_eq!(intensity_frames(&[], 75.0), Ok(Vec::new()));
        assert_eq!(intensity_frames(&[1; 1365], 75.0), Ok(Vec::new()));
        for hz in [f64::NAN, f64::INFINITY, 0.0, -75.0, 9.0, 1001.0] {
            assert!(intensity_frames(&[1; 4000], hz).is_err(), "{hz}");
        }
        for hz in [10.0, 1000.0] {
            assert!(intensity_frames(&vec![1; 16_000], hz).is_ok());
        }
    }
}
