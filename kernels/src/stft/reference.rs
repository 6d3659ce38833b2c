//! One frame by the definition of the discrete Fourier transform, in `f64`.

use super::{BINS, LENGTH, PEAK};
use crate::audio::FrameCorrelator;

/// Local peak and power of bins 0 to 512 of the frame whose window begins at sample `start`; `None` when the samples end before it
/// does.
pub fn spectrum(samples: &[f64], start: usize) -> Option<Vec<f64>> {
    let windowed = FrameCorrelator::new().windowed(samples, start)?;
    let power = |bin: usize| {
        let mut sum = [0.0; 2];
        for (number, value) in windowed.iter().enumerate() {
            let turn = (bin * number % LENGTH) as f64 / LENGTH as f64;
            let (sin, cos) = (std::f64::consts::TAU * turn).sin_cos();
            sum = [sum[0] + value * cos, sum[1] - value * sin];
        }
        sum[0] * sum[0] + sum[1] * sum[1]
    };
    let middle = windowed.get(PEAK)?.iter();
    let peak = middle.fold(0.0, |peak: f64, value| peak.max(value.abs()));
    Some(std::iter::once(peak).chain((0..BINS).map(power)).collect())
}
