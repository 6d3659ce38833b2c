//! One frame by the definition of the discrete Fourier transform, in `f64`.

use super::{BINS, LENGTH};
use crate::audio::FrameCorrelator;

/// Power of bins 0 to 512 of the frame whose window begins at sample `start`; `None` when the samples end before it does.
pub fn powers(samples: &[f64], start: usize) -> Option<Vec<f64>> {
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
    Some((0..BINS).map(power).collect())
}
