//! One frame in `f64` by the transform that sessions on the processor use: there is one truth of pitch.

use super::ROW;
use crate::audio::FrameCorrelator;

/// Local peak and lags 1 to 319 of the frame whose window begins at sample `start`; `None` when the samples end before it does.
pub fn correlate(samples: &[f64], start: usize) -> Option<[f64; ROW]> {
    let mut row = [0.0; ROW];
    let (peak, lags) = row.split_first_mut()?;
    let mut correlator = FrameCorrelator::new();
    *peak = correlator.correlate(samples, start)?;
    if *peak > 0.0 {
        for (slot, value) in lags.iter_mut().zip(correlator.lags()) {
            *slot = value;
        }
    }
    Some(row)
}
