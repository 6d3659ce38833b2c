//! Pitch while the segment is still being recorded. The candidates of a frame need only its neighbourhood, so they are
//! found as samples arrive; only silence (relative to the whole segment's peak) and the path wait for the end.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::unit_from_s16;
use super::batch::FrameBatch;
use super::frame::{Candidate, CandidateTable, FrameAnalyser, HALF, window_start};
use super::path::{best_path, intensity, local_value, unvoiced_strength};
use super::{CEILING_HZ, Form, FrameGrid, Pitch, PitchError};
use crate::error::KernelError;
use crate::stft::WINDOW;

/// A device's side of the pitch, which the streams of one source use one after the other.
pub type SharedFrameBatch = Arc<Mutex<FrameBatch>>;

/// What can be said about the newest frame before the segment ends. For display; the final path may differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PitchNow {
    /// Centre of the frame, seconds from the segment's start.
    pub time_s: f64,
    /// F0 of the frame's best candidate in Hz; `None` when "unvoiced" is better, judged by the peak so far.
    pub f0_hz: Option<f64>,
    /// Its strength, 0 to 1.
    pub strength: f64,
    /// As of [`super::PitchFrame`].
    pub harmonic: u8,
}

/// Analyses one segment of a known length in pieces of any size. At its end it equals [`Pitch::analyse`] bit for bit.
#[derive(Debug)]
pub struct PitchStream {
    analyser: FrameAnalyser,
    grid: FrameGrid,
    segment_samples: usize,
    samples: Vec<f64>,
    peak: f64,
    table: CandidateTable,
    batch: Option<SharedFrameBatch>,
    fault: Option<KernelError>,
    /// Frames that are complete and not analysed, by the sample left of their centre.
    ready: Vec<usize>,
}

impl PitchStream {
    /// A stream for a segment of `segment_samples` at 16 kHz.
    #[must_use]
    pub fn new(segment_samples: usize, form: Form) -> Self {
        Self {
            analyser: FrameAnalyser::new(form),
            grid: FrameGrid::of(segment_samples),
            segment_samples,
            samples: Vec::with_capacity(segment_samples),
            peak: 0.0,
            table: CandidateTable::default(),
            batch: None,
            fault: None,
            ready: Vec::new(),
        }
    }

    /// The same with frames transformed and correlated on a device, those that one push completes together. Should the device
    /// fail, the processor goes on ([`PitchStream::fault`]).
    #[must_use]
    pub fn on(segment_samples: usize, form: Form, batch: Option<SharedFrameBatch>) -> Self {
        Self {
            batch,
            ..Self::new(segment_samples, form)
        }
    }

    /// Why frames are not on the device any more.
    #[must_use]
    pub fn fault(&self) -> Option<&KernelError> {
        self.fault.as_ref()
    }

    /// Takes the next samples and analyses every frame they complete; returns how many. Samples beyond the segment's
    /// length are ignored.
    pub fn push(&mut self, samples: &[i16]) -> usize {
        let room = self.segment_samples - self.samples.len();
        let fresh = unit_from_s16(samples.get(..room).unwrap_or(samples));
        self.peak = fresh.iter().fold(self.peak, |peak, x| peak.max(x.abs()));
        self.samples.extend(fresh);
        let before = self.table.len();
        self.ready.clear();
        while before + self.ready.len() < self.grid.count {
            let left = self.grid.sample_left_of(before + self.ready.len());
            if left + HALF >= self.samples.len() && self.samples.len() < self.segment_samples {
                break;
            }
            self.ready.push(left);
        }
        self.analyse_ready();
        self.table.len() - before
    }

    fn analyse_ready(&mut self) {
        let lefts = std::mem::take(&mut self.ready);
        let mut rest = lefts.as_slice();
        while let Some(left) = rest.first() {
            let taken = self.analyse_on_device(rest);
            if taken == 0 {
                self.analyser.analyse(&self.samples, *left, &mut self.table);
            }
            rest = rest.get(taken.max(1)..).unwrap_or_default();
        }
        self.ready = lefts;
    }

    /// Analyses the first frames of `lefts` that make a batch; none when there is no device for them, or the segment ends within the
    /// first one's window.
    fn analyse_on_device(&mut self, lefts: &[usize]) -> usize {
        let Some(shared) = &self.batch else {
            return 0;
        };
        let is_whole = |start: &usize| start + WINDOW <= self.samples.len();
        let starts: Vec<usize> = lefts
            .iter()
            .map_while(|left| window_start(*left).filter(is_whole))
            .collect();
        let count = FrameBatch::batch_of(&starts);
        let starts = starts.get(..count).unwrap_or_default();
        // Buffers are whole after a panic elsewhere.
        let mut batch = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = match batch.run(&self.samples, starts) {
            Ok(frames) => {
                for frame in frames {
                    self.analyser.take(frame, &mut self.table);
                }
                return count;
            }
            Err(error) => error,
        };
        drop(batch);
        self.fault = Some(fault);
        self.batch = None;
        0
    }

    /// The newest complete frame; `None` before the first.
    #[must_use]
    pub fn now(&self) -> Option<PitchNow> {
        let frame = self.table.len().checked_sub(1)?;
        let unvoiced = unvoiced_strength(intensity(self.table.local_peak(frame), self.peak));
        let voiced = self
            .table
            .voiced(frame)
            .iter()
            .filter(|c| c.f0_hz < CEILING_HZ);
        let worth = |c: &Candidate| local_value(c, unvoiced);
        let best = voiced
            .max_by(|a, b| worth(a).total_cmp(&worth(b)))
            .filter(|c| worth(c) > unvoiced);
        Some(PitchNow {
            time_s: self.grid.time_s(frame),
            f0_hz: best.map(|c| c.f0_hz),
            strength: best.map_or(0.0, |c| c.strength),
            harmonic: best.map_or(1, |c| self.table.harmonic(frame, c.f0_hz)),
        })
    }

    /// Samples the segment still lacks.
    #[must_use]
    pub fn missing_samples(&self) -> usize {
        self.segment_samples - self.samples.len()
    }

    /// The pitch of the complete segment.
    pub fn finish(self) -> Result<Pitch, PitchError> {
        match self.missing_samples() {
            0 => Ok(self.track()),
            missing_samples => Err(PitchError::Incomplete { missing_samples }),
        }
    }

    pub(super) fn track(&self) -> Pitch {
        let mean = self.samples.iter().sum::<f64>() / self.samples.len().max(1) as f64;
        let global_peak = self
            .samples
            .iter()
            .fold(0.0, |peak: f64, x| peak.max((x - mean).abs()));
        Pitch {
            frames: best_path(&self.table, global_peak, self.grid),
            grid: self.grid,
        }
    }
}
