//! Pitch as it is spoken, and the track of every whole window of 30 s from media time zero.
//!
//! One [`PitchStream`] runs per window of the session's grid. Missing samples are zeros, as in the ring of samples, so the
//! track of a window equals the analysis of its samples in one piece, bit for bit.

use std::sync::{Arc, Mutex};

use lsie_device::{Device, DeviceKind};
use lsie_kernels::audio::{Form, FrameBatch, Pitch, PitchNow, PitchStream, SharedFrameBatch};
use lsie_schemas::link::PitchSummary;
use lsie_schemas::window::SEGMENT_SECS;

use super::{SAMPLE_NS, VOICE_RATE_HZ};

const WINDOW_SAMPLES: i64 = SEGMENT_SECS * VOICE_RATE_HZ as i64;
/// Time stamps may wander this far around the sample count: 10 ms.
const JITTER_SAMPLES: i64 = VOICE_RATE_HZ as i64 / 100;
const FRAME_SECS: f64 = 0.01;

/// The pitch of one whole window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowPitch {
    /// Media time of the window's start, nanoseconds.
    pub start_ns: i64,
    /// What its track says.
    pub summary: PitchSummary,
}

/// Follows one stream of 16 kHz samples.
#[derive(Debug, Default)]
pub(super) struct PitchWindows {
    /// Number of the window in progress and its stream.
    current: Option<(i64, PitchStream)>,
    /// Position behind the newest sample, from media time zero.
    next: i64,
    /// Where frames are correlated and transformed; on the processor without it.
    batch: Option<SharedFrameBatch>,
}

impl PitchWindows {
    /// Analyses frames on this device, or says in the log why the processor does it.
    pub(super) fn on(device: &dyn Device) -> Self {
        let mut windows = PitchWindows::default();
        if device.info().kind != DeviceKind::Cpu {
            match FrameBatch::new(device) {
                Ok(batch) => windows.batch = Some(Arc::new(Mutex::new(batch))),
                Err(error) => {
                    tracing::warn!(%error, "pitch is measured on the processor");
                }
            }
        }
        windows
    }

    /// Takes samples of which the first stands at `pts_ns`; reports every window they complete. What earlier samples cover
    /// is ignored.
    pub(super) fn push(
        &mut self,
        samples: &[i16],
        pts_ns: i64,
        mut report: impl FnMut(WindowPitch),
    ) {
        let position = pts_ns.saturating_add(SAMPLE_NS / 2).div_euclid(SAMPLE_NS);
        let continues =
            self.current.is_some() && position.abs_diff(self.next) <= JITTER_SAMPLES.unsigned_abs();
        let covered = if continues {
            0
        } else {
            let first = if self.current.is_some() { self.next } else { 0 };
            usize::try_from(first.saturating_sub(position)).unwrap_or(0)
        };
        let Some(mut rest) = samples.get(covered..).filter(|rest| !rest.is_empty()) else {
            return;
        };
        if !continues {
            self.go_to(position.saturating_add(span(covered)), &mut report);
        }
        while !rest.is_empty() {
            let taken = self.take(rest, &mut report);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// The newest frame, if it is voiced; `None` before the first, too.
    pub(super) fn now(&self) -> Option<PitchNow> {
        let (_, stream) = self.current.as_ref()?;
        stream.now().filter(|now| now.f0_hz.is_some())
    }

    /// Fills with zeros up to `position`; a window without any sample is passed over.
    fn go_to(&mut self, position: i64, report: &mut impl FnMut(WindowPitch)) {
        let window = position.div_euclid(WINDOW_SAMPLES);
        if self.current.as_ref().is_some_and(|(at, _)| *at != window) {
            let rest = WINDOW_SAMPLES - self.next.rem_euclid(WINDOW_SAMPLES);
            self.take(&vec![0; rest as usize], report);
        }
        if self.current.as_ref().is_none_or(|(at, _)| *at != window) {
            self.begin(window);
        }
        let zeros = usize::try_from(position.saturating_sub(self.next)).unwrap_or(0);
        if zeros > 0 {
            self.take(&vec![0; zeros], report);
        }
    }

    /// Takes what the window in progress has room for; gives how many.
    fn take(&mut self, samples: &[i16], report: &mut impl FnMut(WindowPitch)) -> usize {
        let Some((window, stream)) = &mut self.current else {
            return samples.len();
        };
        let taken = samples.len().min(stream.missing_samples());
        stream.push(samples.get(..taken).unwrap_or_default());
        if let Some(error) = stream.fault()
            && self.batch.take().is_some()
        {
            tracing::warn!(%error, "pitch is measured on the processor from now on");
        }
        self.next = self.next.saturating_add(span(taken));
        if stream.missing_samples() == 0 {
            let window = *window;
            if let Some((_, done)) = self.current.take()
                && let Ok(track) = done.finish()
            {
                report(WindowPitch {
                    start_ns: window
                        .saturating_mul(WINDOW_SAMPLES)
                        .saturating_mul(SAMPLE_NS),
                    summary: summary(&track),
                });
            }
            self.begin(window.saturating_add(1));
        }
        taken
    }

    fn begin(&mut self, window: i64) {
        self.next = window.saturating_mul(WINDOW_SAMPLES);
        let batch = self.batch.clone();
        let stream = PitchStream::on(WINDOW_SAMPLES as usize, Form::Fast, batch);
        self.current = Some((window, stream));
    }
}

/// A count as a distance between positions.
fn span(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a track says about its whole length.
#[must_use]
pub fn summary(track: &Pitch) -> PitchSummary {
    let voiced = || track.frames().iter().filter(|frame| frame.is_voiced());
    let (count, sum_hz) = voiced().fold((0_u32, 0.0), |(count, sum), frame| {
        (count + 1, sum + frame.f0_hz)
    });
    let too_low = voiced().filter(|frame| frame.harmonic > 1).count();
    PitchSummary {
        voiced_s: f64::from(count) * FRAME_SECS,
        mean_hz: (count > 0).then(|| sum_hz / f64::from(count)),
        subharmonic_s: too_low as f64 * FRAME_SECS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buzz of 125 Hz.
    fn buzz(from: i64, count: usize) -> Vec<i16> {
        (from..from + span(count))
            .map(|n| if n.rem_euclid(128) < 20 { 9000 } else { -1000 })
            .collect()
    }

    fn windows(pieces: &[(i64, &[i16])]) -> Vec<WindowPitch> {
        let mut pitch = PitchWindows::default();
        let mut seen = Vec::new();
        for (pts_ns, samples) in pieces {
            pitch.push(samples, *pts_ns, |window| seen.push(window));
        }
        seen
    }

    #[test]
    fn a_window_equals_its_samples_in_one_piece_holes_included() {
        let (early, late) = (buzz(0, 100_000), buzz(200_000, 320_000));
        let seen = windows(&[(32_000_000, &early), (200_000 * SAMPLE_NS, &late)]);
        let mut whole = vec![0; 480_000];
        whole[512..100_512].copy_from_slice(&early);
        whole[200_000..].copy_from_slice(&late[..280_000]);
        let batch = summary(&Pitch::analyse(&whole, Form::Fast));
        assert_eq!(
            seen,
            [WindowPitch {
                start_ns: 0,
                summary: batch
            }]
        );
        assert!((batch.mean_hz.unwrap() - 125.0).abs() < 1.0, "{batch:?}");
    }

    #[test]
    fn a_jump_ends_its_window_and_passes_empty_ones_over() {
        let piece = buzz(0, 1000);
        let far = 4 * WINDOW_SAMPLES * SAMPLE_NS;
        let seen = windows(&[
            (0, &piece),
            (far, &piece),
            (far, &piece),
            (i64::MIN, &piece),
        ]);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].start_ns, 0);
    }

    #[test]
    fn pitch_is_there_while_it_is_spoken_and_absent_in_silence() {
        let mut pitch = PitchWindows::default();
        assert_eq!(pitch.now(), None);
        pitch.push(&buzz(0, 8000), 0, |_| {});
        let now = pitch.now().unwrap();
        assert!((now.f0_hz.unwrap() - 125.0).abs() < 1.0);
        assert_eq!(now.harmonic, 1);
        pitch.push(&[0; 8000], 8000 * SAMPLE_NS, |_| {});
        assert_eq!(pitch.now(), None);
    }
}
