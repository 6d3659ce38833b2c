//! Log-mel spectrogram as the Whisper family of speech networks reads it.
//!
//! in: s16 at 16 kHz   out: one row of 80 values per 10 ms
//! window of 400 samples (Hann, periodic), step 160, the ends mirrored by 200 samples; power in 80 triangles of equal area on
//! Slaney's mel scale, 0 to 8 kHz; log10, at least the segment's largest value - 8; (x + 4) / 4

use std::f64::consts::PI;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::{RATE_HZ, unit_from_s16};

/// Values per row.
pub const MEL_BANDS: usize = 80;
/// Samples from one row to the next.
pub const MEL_STEP_SAMPLES: usize = 160;
const WINDOW: usize = 400;
const REACH: usize = WINDOW / 2;
const BINS: usize = WINDOW / 2 + 1;
const LEAST_POWER: f64 = 1e-10;
const RANGE: f64 = 8.0;

/// Why there is no spectrogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MelError {
    /// Mirroring the ends needs more samples than there are.
    #[error("{samples} samples are fewer than the 201 that a mirrored window needs")]
    TooShort {
        /// Samples given.
        samples: usize,
    },
}

/// Makes spectrograms; holds the plan, the window and the triangles.
#[derive(Clone)]
pub struct MelSpectrogram {
    forward: Arc<dyn RealToComplex<f64>>,
    hann: Vec<f64>,
    /// Of each band its first bin and the weights from there.
    triangles: Vec<(usize, Vec<f64>)>,
}

impl std::fmt::Debug for MelSpectrogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MelSpectrogram").finish_non_exhaustive()
    }
}

impl Default for MelSpectrogram {
    fn default() -> Self {
        Self::new()
    }
}

impl MelSpectrogram {
    /// Plans the transform.
    #[must_use]
    pub fn new() -> Self {
        Self {
            forward: RealFftPlanner::new().plan_fft_forward(WINDOW),
            hann: (0..WINDOW)
                .map(|n| 0.5 - 0.5 * (2.0 * PI * n as f64 / WINDOW as f64).cos())
                .collect(),
            triangles: triangles(),
        }
    }

    /// The rows of a segment, one per whole step.
    pub fn rows(&self, samples: &[i16]) -> Result<Vec<[f32; MEL_BANDS]>, MelError> {
        if samples.len() <= REACH {
            return Err(MelError::TooShort {
                samples: samples.len(),
            });
        }
        let padded = mirrored(&unit_from_s16(samples));
        let mut time = self.forward.make_input_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut scratch = self.forward.make_scratch_vec();
        let mut rows: Vec<[f64; MEL_BANDS]> = Vec::with_capacity(samples.len() / MEL_STEP_SAMPLES);
        for window in padded
            .windows(WINDOW)
            .step_by(MEL_STEP_SAMPLES)
            .take(samples.len() / MEL_STEP_SAMPLES)
        {
            for ((out, x), w) in time.iter_mut().zip(window).zip(&self.hann) {
                *out = x * w;
            }
            // The lengths are fixed at construction, so the transform cannot fail.
            let done = self
                .forward
                .process_with_scratch(&mut time, &mut spectrum, &mut scratch);
            debug_assert!(done.is_ok());
            rows.push(self.row(&spectrum));
        }
        Ok(scaled(&rows))
    }

    /// log10 of the power in each band.
    fn row(&self, spectrum: &[Complex<f64>]) -> [f64; MEL_BANDS] {
        let mut row = [0.0; MEL_BANDS];
        for (value, (first, weights)) in row.iter_mut().zip(&self.triangles) {
            let bins = spectrum.get(*first..).unwrap_or_default();
            let power: f64 = bins
                .iter()
                .zip(weights)
                .map(|(bin, weight)| bin.norm_sqr() * weight)
                .sum();
            *value = power.max(LEAST_POWER).log10();
        }
        row
    }
}

fn scaled(rows: &[[f64; MEL_BANDS]]) -> Vec<[f32; MEL_BANDS]> {
    let top = rows
        .iter()
        .flatten()
        .fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    rows.iter()
        .map(|row| row.map(|value| ((value.max(top - RANGE) + 4.0) / 4.0) as f32))
        .collect()
}

/// The samples with [`REACH`] more at each end, mirrored at the first and last one.
fn mirrored(samples: &[f64]) -> Vec<f64> {
    let before = samples.iter().skip(1).take(REACH).rev();
    let after = samples.iter().rev().skip(1).take(REACH);
    before.chain(samples).chain(after).copied().collect()
}

/// Frequency in Hz of a place on Slaney's scale: linear below 1 kHz, logarithmic above.
fn hz_of_mel(mel: f64) -> f64 {
    if mel < 15.0 {
        mel * 200.0 / 3.0
    } else {
        1000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp()
    }
}

fn mel_of_hz(hz: f64) -> f64 {
    if hz < 1000.0 {
        hz * 3.0 / 200.0
    } else {
        15.0 + (hz / 1000.0).ln() * 27.0 / 6.4_f64.ln()
    }
}

fn triangles() -> Vec<(usize, Vec<f64>)> {
    let top = mel_of_hz(RATE_HZ / 2.0);
    let corner = |k: usize| hz_of_mel(top * k as f64 / (MEL_BANDS + 1) as f64);
    (0..MEL_BANDS)
        .map(|band| {
            let (low, middle, high) = (corner(band), corner(band + 1), corner(band + 2));
            let weight = |bin: usize| {
                let hz = bin as f64 * RATE_HZ / WINDOW as f64;
                let height = ((hz - low) / (middle - low)).min((high - hz) / (high - middle));
                height.max(0.0) * 2.0 / (high - low)
            };
            let first = (0..BINS).find(|bin| weight(*bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|w| *w > 0.0);
            (first, weights.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_loudest_in_its_band() {
        let tone: Vec<i16> = (0..16_000)
            .map(|n| (20_000.0 * (2.0 * PI * 1000.0 * f64::from(n) / RATE_HZ).sin()) as i16)
            .collect();
        let rows = MelSpectrogram::new().rows(&tone).unwrap();
        assert_eq!(rows.len(), 100);
        let row = rows[50];
        let loudest = (0..MEL_BANDS)
            .max_by(|a, b| row[*a].total_cmp(&row[*b]))
            .unwrap();
        let top = mel_of_hz(8000.0);
        let centre = hz_of_mel(top * (loudest + 1) as f64 / 81.0);
        assert!((centre - 1000.0).abs() < 50.0, "{centre}");
    }

    #[test]
    fn silence_is_even_and_short_sound_is_refused() {
        let mel = MelSpectrogram::new();
        let rows = mel.rows(&[0; 1600]).unwrap();
        assert!(rows.iter().flatten().all(|v| *v == -1.5));
        assert_eq!(
            mel.rows(&[1; 200]),
            Err(MelError::TooShort { samples: 200 })
        );
        assert_eq!(mel.rows(&[1; 201]).unwrap().len(), 1);
        assert_eq!(mel.rows(&[]), Err(MelError::TooShort { samples: 0 }));
    }

    #[test]
    fn the_scale_turns_back() {
        for hz in [0.0, 133.0, 999.9, 1000.0, 1234.5, 8000.0] {
            assert!((hz_of_mel(mel_of_hz(hz)) - hz).abs() < 1e-9);
        }
    }
}
