//! Candidates of one frame: Hann window, autocorrelation by FFT, local maxima, refinement (math 10.2).

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::super::RATE_HZ;
use super::batch::DeviceFrame;
use super::harmonic::{BINS_KEPT, fundamental_harmonic};
use super::sinc::{Autocorrelation, RANGE, Refiner};
use super::{FLOOR_HZ, Form, OCTAVE_COST, VOICING_THRESHOLD};

/// Half the window in samples.
pub(super) const HALF: usize = RANGE;
const WINDOW: usize = 2 * HALF;
/// Period of the floor in samples, and half of it.
const PERIOD: usize = 213;
const HALF_PERIOD: usize = PERIOD / 2 + 1;
const MAX_LAG: usize = WINDOW / 3 + 2;
const FFT: usize = 1024;
/// Voiced candidates kept per frame.
const KEPT: usize = 14;

/// A possible period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) f0_hz: f64,
    pub(super) strength: f64,
}

/// Voiced candidates and local peaks of all frames so far, by ascending lag within a frame.
#[derive(Debug, Clone, Default)]
pub(super) struct CandidateTable {
    candidates: Vec<Candidate>,
    ends: Vec<usize>,
    local_peaks: Vec<f64>,
    /// The first [`BINS_KEPT`] powers of each frame; asked for of those frames only that turn out to be voiced.
    spectra: Vec<f32>,
}

impl CandidateTable {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn local_peak(&self, frame: usize) -> f64 {
        self.local_peaks.get(frame).copied().unwrap_or(0.0)
    }

    pub(super) fn voiced(&self, frame: usize) -> &[Candidate] {
        let end = self.ends.get(frame).copied().unwrap_or(0);
        let start = frame
            .checked_sub(1)
            .and_then(|f| self.ends.get(f))
            .copied()
            .unwrap_or(0);
        self.candidates.get(start..end).unwrap_or_default()
    }

    /// See [`super::PitchFrame::harmonic`].
    pub(super) fn harmonic(&self, frame: usize, f0_hz: f64) -> u8 {
        let spectrum = self.spectra.chunks_exact(BINS_KEPT).nth(frame);
        fundamental_harmonic(spectrum.unwrap_or_default(), f0_hz)
    }

    fn close_frame(&mut self, local_peak: f64, powers: impl Iterator<Item = f32>) {
        self.local_peaks.push(local_peak);
        self.spectra.extend(powers.take(BINS_KEPT));
        self.spectra.resize(BINS_KEPT * self.local_peaks.len(), 0.0);
        self.ends.push(self.candidates.len());
    }
}

/// Window and normalised autocorrelation of one frame at a time.
pub(crate) struct FrameCorrelator {
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    hann: Vec<f64>,
    /// One over the window's own autocorrelation, from lag 0.
    hann_factors: Vec<f64>,
    time: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    powers: Vec<f64>,
    scratch: Vec<Complex<f64>>,
}

impl FrameCorrelator {
    pub(crate) fn new() -> Self {
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(FFT), planner.plan_fft_inverse(FFT));
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        let hann = (1..=WINDOW)
            .map(|j| 0.5 - 0.5 * (2.0 * PI * j as f64 / (WINDOW + 1) as f64).cos())
            .collect();
        let mut correlator = Self {
            spectrum: forward.make_output_vec(),
            powers: vec![0.0; FFT / 2 + 1],
            scratch: vec![Complex::default(); scratch],
            forward,
            inverse,
            hann,
            hann_factors: Vec::new(),
            time: vec![0.0; FFT],
        };
        correlator.time[..WINDOW].copy_from_slice(&correlator.hann);
        correlator.autocorrelate();
        let energy = correlator.time[0];
        let own = correlator.time[..=RANGE].iter();
        correlator.hann_factors = own.map(|r| energy / r).collect();
        correlator
    }

    /// The window.
    pub(crate) fn window(&self) -> &[f64] {
        &self.hann
    }

    /// What each lag from 1 is multiplied by.
    pub(crate) fn factors(&self) -> &[f64] {
        self.hann_factors.get(1..).unwrap_or_default()
    }

    /// Correlates the frame whose window begins at sample `start` and tells its local peak; `None` when the samples do not
    /// reach that far. Without a peak there are no lags.
    pub(crate) fn correlate(&mut self, samples: &[f64], start: usize) -> Option<f64> {
        let local_peak = self.window_frame(samples, start)?;
        if local_peak > 0.0 {
            self.autocorrelate();
        }
        Some(local_peak)
    }

    /// Normalised autocorrelation from lag 1 of the frame that was correlated last.
    pub(crate) fn lags(&self) -> impl Iterator<Item = f64> {
        let scale = 1.0 / self.time.first().copied().unwrap_or(1.0);
        let lags = self.time.iter().zip(&self.hann_factors).skip(1);
        lags.map(move |(ac, factor)| ac * scale * factor)
    }

    /// Power of the bins of the frame that was correlated last.
    pub(crate) fn powers(&self) -> &[f64] {
        &self.powers
    }

    /// The windowed frame itself.
    pub(crate) fn windowed(mut self, samples: &[f64], start: usize) -> Option<Vec<f64>> {
        self.window_frame(samples, start)?;
        self.time.truncate(WINDOW);
        Some(self.time)
    }

    /// Fills `time` with the windowed frame and tells its local peak.
    fn window_frame(&mut self, samples: &[f64], start: usize) -> Option<f64> {
        let frame = samples.get(start..start + WINDOW)?;
        let around = frame.get(HALF - PERIOD..HALF + PERIOD)?;
        let mean = sum(around) / (2 * PERIOD) as f64;
        let (windowed, padding) = self.time.split_at_mut(WINDOW);
        for ((out, x), h) in windowed.iter_mut().zip(frame).zip(&self.hann) {
            *out = (x - mean) * h;
        }
        padding.fill(0.0);
        let middle = windowed.get(HALF - HALF_PERIOD..HALF + HALF_PERIOD)?;
        Some(largest(middle))
    }

    /// `time` becomes its own (unnormalised) circular autocorrelation.
    fn autocorrelate(&mut self) {
        // The lengths are fixed at construction and the spectrum's ends are real, so neither transform can fail.
        let forward = self.forward.process_with_scratch(
            &mut self.time,
            &mut self.spectrum,
            &mut self.scratch,
        );
        for (bin, power) in self.spectrum.iter_mut().zip(&mut self.powers) {
            *power = bin.norm_sqr();
            *bin = Complex::new(*power, 0.0);
        }
        let inverse = self.inverse.process_with_scratch(
            &mut self.spectrum,
            &mut self.time,
            &mut self.scratch,
        );
        debug_assert!(forward.is_ok() && inverse.is_ok());
    }
}

/// First sample of the window of the frame whose centre lies right of sample `left`; `None` before the segment.
pub(super) fn window_start(left: usize) -> Option<usize> {
    (left + 1).checked_sub(HALF)
}

/// Finds the candidates of one frame at a time.
pub(super) struct FrameAnalyser {
    correlator: FrameCorrelator,
    correlation: Autocorrelation,
    peaks: Vec<usize>,
    refiner: Refiner,
}

impl fmt::Debug for FrameAnalyser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameAnalyser").finish_non_exhaustive()
    }
}

impl FrameAnalyser {
    pub(super) fn new(form: Form) -> Self {
        Self {
            correlator: FrameCorrelator::new(),
            correlation: Autocorrelation::new(),
            peaks: Vec::with_capacity(RANGE),
            refiner: Refiner::new(form),
        }
    }

    /// Adds the frame whose centre lies right of sample `left` of the segment to the table.
    pub(super) fn analyse(&mut self, samples: &[f64], left: usize, table: &mut CandidateTable) {
        let start = window_start(left);
        let local_peak = start.and_then(|start| self.correlator.correlate(samples, start));
        let local_peak = local_peak.unwrap_or(0.0);
        if local_peak > 0.0 {
            self.correlation.set(self.correlator.lags());
            self.add_candidates(table);
        }
        let powers = self.correlator.powers().iter().map(|power| *power as f32);
        table.close_frame(local_peak, powers);
    }

    /// Adds a frame that a device has transformed and correlated.
    pub(super) fn take(&mut self, frame: DeviceFrame<'_>, table: &mut CandidateTable) {
        let powers = frame.spectrum.get(1..).unwrap_or_default();
        let local_peak = frame.spectrum.first().copied().unwrap_or(0.0);
        if local_peak > 0.0 {
            self.correlation
                .set(frame.lags.iter().map(|lag| f64::from(*lag)));
            self.add_candidates(table);
        }
        table.close_frame(f64::from(local_peak), powers.iter().copied());
    }

    fn add_candidates(&mut self, table: &mut CandidateTable) {
        self.find_peaks();
        for lag in &self.peaks {
            let (lag, value) = self.refiner.refine(&self.correlation, *lag);
            let strength = if value > 1.0 { 1.0 / value } else { value };
            table.candidates.push(Candidate {
                f0_hz: RATE_HZ / lag,
                strength,
            });
        }
    }

    /// Lags of the local maxima above half the voicing threshold, ascending, at most [`KEPT`].
    fn find_peaks(&mut self) {
        self.peaks.clear();
        for lag in 2..MAX_LAG.min(RANGE) {
            let [before, here, after] = self.correlation.around(lag);
            if here > 0.5 * VOICING_THRESHOLD && here > before && here >= after {
                self.peaks.push(lag);
            }
        }
        if self.peaks.len() > KEPT {
            self.drop_weakest();
        }
    }

    /// Later peaks replace the weakest earlier one when they are at least as strong.
    fn drop_weakest(&mut self) {
        let merits: Vec<f64> = self.peaks.iter().map(|lag| self.merit(*lag)).collect();
        let mut kept: Vec<(usize, f64)> = Vec::with_capacity(KEPT + 1);
        for (lag, merit) in self.peaks.drain(..).zip(merits) {
            kept.push((lag, merit));
            let earlier = kept.iter().enumerate().take(KEPT);
            let weakest = earlier
                .min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1))
                .map(|(k, w)| (k, w.1));
            if let Some((index, least)) = weakest.filter(|_| kept.len() > KEPT) {
                kept.remove(if least <= merit { index } else { KEPT });
            }
        }
        self.peaks.extend(kept.into_iter().map(|(lag, _)| lag));
    }

    /// Coarse strength minus octave cost at the parabolic lag.
    fn merit(&self, lag: usize) -> f64 {
        let [before, here, after] = self.correlation.around(lag);
        let position = lag as f64 + 0.5 * (after - before) / (2.0 * here - before - after);
        let value = self.refiner.coarse(&self.correlation, position);
        let strength = if value > 1.0 { 1.0 / value } else { value };
        strength - OCTAVE_COST * (FLOOR_HZ * position / RATE_HZ).log2()
    }
}

/// Sum of samples; exact whatever the order, because they are whole multiples of 2^-15.
fn sum(samples: &[f64]) -> f64 {
    let (chunks, rest) = samples.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for k in 0..8 {
            sums[k] += chunk[k];
        }
    }
    sums.iter().chain(rest).sum()
}

/// Largest magnitude.
fn largest(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut tops = [0.0_f64; 8];
    for chunk in chunks {
        for k in 0..8 {
            let magnitude = chunk[k].abs();
            tops[k] = if magnitude > tops[k] {
                magnitude
            } else {
                tops[k]
            };
        }
    }
    let tops = tops.iter().copied();
    tops.chain(rest.iter().map(|v| v.abs())).fold(0.0, f64::max)
}
