//! Any usual rate to 16 kHz mono s16: rational polyphase FIR (math 3.1).
//!
//! in: interleaved f32 in [-1, 1], 1 to 8 channels   out: s16 = round half even(32768 x), saturated
//! pass band to 0.45 of the lower rate (7.2 kHz from 48 kHz) within 0.01 dB; stop band from 0.5 of it (8 kHz), -80 dB
//! delay 0: output sample n stands at input time n / 16000 s, so it appears half a filter later (3.2 ms from 48 kHz)
//! v1 one dot product per output sample, four partial sums; a block boundary never changes an operand, so any split of
//! the input gives the same bits. A value that is not finite counts as silence.
//! v2 the outputs that one push makes ready in one launch of [`crate::resample`]; each is equal to v1's or one step beside it

use lsie_device::{Device, DeviceKind};

use crate::error::KernelError;
use crate::resample::{DeviceFilter, Filter, MAX_OUTPUTS};

/// Rate of the output, Hz.
pub const OUTPUT_RATE_HZ: u32 = 16_000;

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
#[derive(Debug)]
pub struct Resampler {
    channels: usize,
    filter: Filter,
    device: Option<Box<DeviceFilter>>,
    fault: Option<KernelError>,
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
        let filter = Filter::new(rate_hz)?;
        Ok(Self {
            channels: usize::from(channels),
            device: None,
            fault: None,
            held: vec![0.0; filter.reach() as usize],
            filter,
            held_from: 0,
            received: 0,
            produced: 0,
            non_finite: 0,
        })
    }

    /// The same with outputs computed on `device`, unless that is the processor or input has the rate of the output already.
    ///
    /// Should the device fail, now or later, the processor goes on without a sample lost ([`Resampler::take_fault`]).
    pub fn on(device: &dyn Device, rate_hz: u32, channels: u16) -> Result<Self, ResampleError> {
        let mut resampler = Self::new(rate_hz, channels)?;
        if device.info().kind != DeviceKind::Cpu && !resampler.filter.is_identity() {
            match DeviceFilter::new(device, &resampler.filter) {
                Ok(filter) => resampler.device = Some(Box::new(filter)),
                Err(error) => resampler.fault = Some(error.into()),
            }
        }
        Ok(resampler)
    }

    /// Why outputs are not computed on the device any more; told once.
    pub fn take_fault(&mut self) -> Option<KernelError> {
        self.fault.take()
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
        let total = (self.received * self.filter.up()).div_ceil(self.filter.down());
        let reach = self.filter.reach();
        self.held
            .extend(std::iter::repeat_n(0.0, reach as usize + 1));
        self.received += reach + 1;
        self.emit(total, out);
        self.reset();
    }

    /// Forgets all input, keeps the filter; for a discontinuity whose tail is not wanted.
    pub fn reset(&mut self) {
        self.held.clear();
        self.held.resize(self.filter.reach() as usize, 0.0);
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

    /// Computes what is ready of the outputs before `until`.
    fn emit(&mut self, until: u64, out: &mut Vec<i16>) {
        let (up, down) = (self.filter.up(), self.filter.down());
        // Those whose window ends before the samples do.
        let usable = self.received.saturating_sub(self.filter.reach());
        let end = (usable * up).div_ceil(down).min(until);
        while self.produced < end {
            let (at, taps) = (self.produced * down, 2 * self.filter.reach() as usize);
            let (index, phase) = (at / up, at % up);
            // `held` begins `reach` before `held_from`; the window is index - reach + 1 ..= index + reach.
            let first = (index + 1 - self.held_from) as usize;
            let held = self.held.get(first..).unwrap_or_default();
            if let Some(device) = &mut self.device {
                let count = (end - self.produced).min(MAX_OUTPUTS as u64);
                match device.run(held, phase as u32, count as usize) {
                    Ok(outputs) => {
                        out.extend(outputs.iter().map(|x| s16_from_unit(f64::from(*x))));
                        self.produced += count;
                        continue;
                    }
                    Err(error) => (self.device, self.fault) = (None, Some(error)),
                }
            }
            let window = held.get(..taps).unwrap_or_default();
            out.push(s16_from_unit(dot(window, self.filter.taps(phase))));
            self.produced += 1;
        }
        let next_index = self.produced * down / up;
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

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

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
