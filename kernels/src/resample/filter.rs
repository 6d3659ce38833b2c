//! The low pass of a change of rate, split into the phases that outputs meet in turn.

use std::f64::consts::PI;

use crate::audio::{OUTPUT_RATE_HZ, ResampleError};

const STOP_BAND_DB: f64 = 80.0;
const PASS: f64 = 0.45;
const STOP: f64 = 0.5;
/// Largest interpolation factor; 44.1 kHz needs 160, 22.05 kHz 320.
const MAX_PHASES: u64 = 640;

/// Kaiser-windowed sinc from one rate to 16 kHz: pass band to 0.45 of the lower rate, stop band of 80 dB from 0.5 of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    up: u64,
    down: u64,
    reach: u64,
    phases: Vec<Vec<f64>>,
}

impl Filter {
    /// The filter of input at `rate_hz`, 4 to 384 kHz.
    pub fn new(rate_hz: u32) -> Result<Self, ResampleError> {
        let divisor = gcd(u64::from(rate_hz), u64::from(OUTPUT_RATE_HZ)).max(1);
        let (up, down) = (
            u64::from(OUTPUT_RATE_HZ) / divisor,
            u64::from(rate_hz) / divisor,
        );
        if !(4_000..=384_000).contains(&rate_hz) || up > MAX_PHASES {
            return Err(ResampleError::Rate { rate_hz });
        }
        let (phases, reach) = if up == down {
            (vec![vec![1.0, 0.0]], 1)
        } else {
            design(rate_hz, up)
        };
        Ok(Self {
            up,
            down,
            reach,
            phases,
        })
    }

    /// Interpolation factor L: phases of the filter.
    #[must_use]
    pub fn up(&self) -> u64 {
        self.up
    }

    /// Decimation factor M.
    #[must_use]
    pub fn down(&self) -> u64 {
        self.down
    }

    /// Input samples on each side of an output's time; a phase has twice as many taps.
    #[must_use]
    pub fn reach(&self) -> u64 {
        self.reach
    }

    /// Whether input already has the rate of the output.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.up == self.down
    }

    /// The taps of a phase below [`Filter::up`], oldest sample first; none beyond.
    #[must_use]
    pub fn taps(&self, phase: u64) -> &[f64] {
        let taps = usize::try_from(phase).ok().and_then(|p| self.phases.get(p));
        taps.map_or(&[], Vec::as_slice)
    }

    /// All phases one after the other, as devices read them.
    pub(super) fn table(&self) -> Vec<f32> {
        self.phases.iter().flatten().map(|h| *h as f32).collect()
    }
}

/// A windowed sinc at `up` times the input rate, split into phases, each of unit gain at 0 Hz.
fn design(rate_hz: u32, up: u64) -> (Vec<Vec<f64>>, u64) {
    let lower_hz = f64::from(rate_hz.min(OUTPUT_RATE_HZ));
    let fine_hz = f64::from(rate_hz) * up as f64;
    let taps = (STOP_BAND_DB - 7.95) / (14.36 * (STOP - PASS) * lower_hz / fine_hz);
    let half = (taps / 2.0).ceil();
    let beta = 0.1102 * (STOP_BAND_DB - 8.7);
    let cutoff = f64::midpoint(PASS, STOP) * lower_hz / fine_hz;
    let prototype = |offset: f64| {
        let edge = 1.0 - (offset / half).powi(2);
        if edge < 0.0 {
            0.0
        } else {
            2.0 * cutoff * sinc(2.0 * cutoff * offset) * bessel_i0(beta * edge.sqrt())
        }
    };
    let reach = (half / up as f64).ceil() as u64 + 1;
    let phases = (0..up)
        .map(|phase| {
            let offsets =
                (0..2 * reach).map(|k| (reach as f64 - 1.0 - k as f64) * up as f64 + phase as f64);
            let taps: Vec<f64> = offsets.map(prototype).collect();
            let gain: f64 = taps.iter().sum();
            taps.iter().map(|h| h / gain).collect()
        })
        .collect();
    (phases, reach)
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Modified Bessel function of order 0 by its power series; exact to rounding up to arguments of 21.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
