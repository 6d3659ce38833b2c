//! One frame in `f64` by the transform that sessions on the processor use: there is one truth of pitch.

use super::LAGS;
use crate::audio::FrameCorrelator;

/// Lags 1 to 319 of the frame whose window begins at sample `start`, 0 where it has no peak; `None` when the samples end before it
/// does.
pub fn correlate(samples: &[f64], start: usize) -> Option<[f64; LAGS]> {
    let mut row = [0.0; LAGS];
    let mut correlator = FrameCorrelator::new();
    if correlator.correlate(samples, start)? > 0.0 {
        for (slot, value) in row.iter_mut().zip(correlator.lags()) {
            *slot = value;
        }
    }
    Some(row)
}
