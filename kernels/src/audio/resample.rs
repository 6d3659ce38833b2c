//! Any usual rate to 16 kHz mono s16: rational polyphase FIR (math 3.1).
//!
//! in: interleaved f32 in [-1, 1], 1 to 8 channels   out: s16 = round half even(32768 x), saturated
//! pass band to 0.45 of the lower rate (7.2 kHz from 48 kHz) within 0.01 dB; stop band from 0.5 of it (8 kHz), -80 dB
//! delay 0: output sample n stands at input time n / 16000 s, so it appears half a filter later (3.2 ms from 48 kHz)
//! v1 one dot product per output sample, four partial sums; a block boundary never changes an operand, so any split of
//! the input gives the same bits. A value that is not finite counts as silence.

use std::f64::consts::PI;

/// Rate of the output, Hz.
pub const OUTPUT_RATE_HZ: u32 = 16_000;

const STOP_BAND_DB: f64 = 80.0;
const PASS: f64 = 0.45;
const STOP: f64 = 0.5;
/// Largest interpolation factor; 44.1 kHz needs 160, 22.05 kHz 320.
const MAX_PHASES: u64 = 640;
const MAX_CHANNELS: u16 = 8;

/// A format this resampler does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResampleError {
    /// The rate shares too small a divisor with 16 kHz, or lies outside 4 to 384 kHz.
    #[error("sample rate {rate_hz} Hz is not supported")]
    Rate {
        /// The rate.
        rate_hz: u32,
    },
    /// The number of channels is not 1 to 8.
    #[error("{channels} channels are not supported")]
    Channels {
        /// The number.
        channels: u16,
    },
}

/// Streaming resampler of one source.
#[derive(Debug, Clone)]
pub struct Resampler {
    channels: usize,
    /// Interpolation factor L and decimation factor M.
    up: u64,
    down: u64,
    /// Input samples on each side of an output's time.
    reach: u64,
    phases: Vec<Vec<f64>>,
    /// Mono input from index `held_from - reach` on.
    held: Vec<f64>,
    held_from: u64,
    received: u64,
    produced: u64,
    non_finite: u64,
}

impl Resampler {
    /// A resampler for interleaved input of `channels` at `rate_hz`.
    pub fn new(rate_hz: u32, channels: u16) -> Result<Self, ResampleError> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(ResampleError::Channels { channels });
        }
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
            filter(rate_hz, up)
        };
        Ok(Self {
            channels: usize::from(channels),
            up,
            down,
            reach,
            phases,
            held: vec![0.0; reach as usize],
            held_from: 0,
            received: 0,
            produced: 0,
            non_finite: 0,
        })
    }

    /// Takes interleaved samples and appends what is ready. Samples of an incomplete last frame are ignored.
    pub fn push(&mut self, interleaved: &[f32], out: &mut Vec<i16>) {
        for frame in interleaved.chunks_exact(self.channels) {
            let mut sum = 0.0;
            for value in frame {
                if value.is_finite() {
                    sum += f64::from(*value);
                } else {
                    self.non_finite += 1;
                }
            }
            self.held.push(sum / self.channels as f64);
        }
        self.received += (interleaved.len() / self.channels) as u64;
        self.emit(u64::MAX, out);
    }

    /// Appends the rest, as if silence followed, and starts over for the next stretch of sound.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        let total = (self.received * self.up).div_ceil(self.down);
        self.held
            .extend(std::iter::repeat_n(0.0, self.reach as usize + 1));
        self.received += self.reach + 1;
        self.emit(total, out);
        self.reset();
    }

    /// Forgets all input, keeps the filter; for a discontinuity whose tail is not wanted.
    pub fn reset(&mut self) {
        self.held.clear();
        self.held.resize(self.reach as usize, 0.0);
        (self.held_from, self.received, self.produced) = (0, 0, 0);
    }

    /// Output samples since the start of this stretch; the next one stands `produced / 16000` s after its first input.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Input values that were not finite and counted as silence.
    #[must_use]
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    fn emit(&mut self, until: u64, out: &mut Vec<i16>) {
        while self.produced < until {
            let at = self.produced * self.down;
            let (index, phase) = (at / self.up, at % self.up);
            if index + self.reach >= self.received {
                break;
            }
            // `held` begins `reach` before `held_from`; the window is index - reach + 1 ..= index + reach.
            let first = (index + 1 - self.held_from) as usize;
            let window = self
                .held
                .get(first..first + 2 * self.reach as usize)
                .unwrap_or_default();
            let taps = self
                .phases
                .get(phase as usize)
                .map_or(&[][..], Vec::as_slice);
            out.push(s16_from_unit(dot(window, taps)));
            self.produced += 1;
        }
        let next_index = self.produced * self.down / self.up;
        let spent = next_index.min(self.received).saturating_sub(self.held_from);
        if spent > 4096 {
            self.held.drain(..spent as usize);
            self.held_from += spent;
        }
    }
}

/// Nearest s16 of a value in [-1, 1), ties to even, saturated; 0 for NaN.
#[must_use]
pub fn s16_from_unit(value: f64) -> i16 {
    // The cast saturates and turns NaN into 0.
    (value * 32768.0).round_ties_even() as i16
}

fn dot(window: &[f64], taps: &[f64]) -> f64 {
    let (a, b) = (window.chunks_exact(4), taps.chunks_exact(4));
    let rest: f64 = a
        .remainder()
        .iter()
        .zip(b.remainder())
        .map(|(x, h)| x * h)
        .sum();
    let mut sums = [0.0; 4];
    for (x, h) in a.zip(b) {
        for k in 0..4 {
            sums[k] += x[k] * h[k];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Kaiser-windowed sinc at `up` times the input rate, split into phases, each of unit gain at 0 Hz.
fn filter(rate_hz: u32, up: u64) -> (Vec<Vec<f64>>, u64) {
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
pub(super) fn bessel_i0(x: f64) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rate: u32, input: &[f32], block: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(rate, 1).unwrap();
        let mut out = Vec::new();
        for chunk in input.chunks(block) {
            resampler.push(chunk, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    fn tone(rate: u32, hz: f64, secs: f64) -> Vec<f32> {
        let count = (f64::from(rate) * secs) as u32;
        (0..count)
            .map(|n| (0.5 * (2.0 * PI * hz * f64::from(n) / f64::from(rate)).sin()) as f32)
            .collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        let inner = &samples[800..samples.len() - 800];
        (inner
            .iter()
            .map(|s| (f64::from(*s) / 32768.0).powi(2))
            .sum::<f64>()
            / inner.len() as f64)
            .sqrt()
    }

    #[test]
    fn any_split_gives_the_same_bits_and_the_right_length() {
        for rate in [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            let input = tone(rate, 440.0, 0.7);
            let whole = run(rate, &input, usize::MAX);
            assert_eq!(
                whole.len() as u64,
                (input.len() as u64 * 16_000).div_ceil(u64::from(rate)),
                "{rate}"
            );
            for block in [1, 7, 480, 1024] {
                assert_eq!(
                    run(rate, &input, block),
                    whole,
                    "{rate} Hz in blocks of {block}"
                );
            }
        }
    }

    #[test]
    fn the_pass_band_is_flat_and_without_delay() {
        for rate in [22_050, 44_100, 48_000] {
            for hz in [100.0, 1000.0, 7000.0] {
                let out = run(rate, &tone(rate, hz, 0.5), 480);
                assert!(
                    (rms(&out) / 0.5_f64.powi(2).mul_add(0.5, 0.0).sqrt() - 1.0).abs() < 2e-3,
                    "{rate} {hz} {}",
                    rms(&out)
                );
                let expected = |n: usize| 0.5 * (2.0 * PI * hz * n as f64 / 16_000.0).sin();
                let worst = (800..4000)
                    .map(|n| (f64::from(out[n]) / 32768.0 - expected(n)).abs())
                    .fold(0.0, f64::max);
                assert!(worst < 1e-3, "{rate} {hz}: {worst}");
            }
        }
    }

    #[test]
    fn what_would_alias_is_gone() {
        for (rate, hz) in [
            (48_000, 8_200.0),
            (48_000, 9_000.0),
            (48_000, 15_000.0),
            (44_100, 8_200.0),
            (44_100, 20_000.0),
        ] {
            let out = run(rate, &tone(rate, hz, 0.5), 480);
            assert!(
                20.0 * (rms(&out).max(1e-9) / 0.3535).log10() < -75.0,
                "{rate} {hz} {}",
                rms(&out)
            );
        }
    }

    #[test]
    fn sixteen_kilohertz_passes_untouched_and_rounds_half_to_even() {
        let values = [0.5, 1.5, 2.5, -0.5, -1.5, 40_000.0, -40_000.0].map(|v: f32| v / 32768.0);
        assert_eq!(
            run(16_000, &values, 2),
            vec![0, 2, 2, 0, -2, i16::MAX, i16::MIN]
        );
    }

    #[test]
    fn channels_are_averaged_and_broken_values_are_silence() {
        let mut stereo = Resampler::new(16_000, 2).unwrap();
        let mut out = Vec::new();
        stereo.push(
            &[
                0.5,
                0.25,
                f32::NAN,
                0.5,
                f32::INFINITY,
                f32::NEG_INFINITY,
                1e38,
                1e38,
            ],
            &mut out,
        );
        stereo.finish(&mut out);
        assert_eq!(out, vec![12288, 8192, 0, i16::MAX]);
        assert_eq!(stereo.non_finite(), 3);
    }

    #[test]
    fn impossible_formats_are_refused() {
        for rate in [0, 1, 3_999, 44_101, u32::MAX] {
            assert_eq!(
                Resampler::new(rate, 1).err(),
                Some(ResampleError::Rate { rate_hz: rate })
            );
        }
        assert!(Resampler::new(48_000, 0).is_err());
        assert!(Resampler::new(48_000, 9).is_err());
    }
}
