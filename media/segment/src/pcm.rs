//! The sound of the last 90 s: 16 kHz mono s16 by absolute sample position on media time (math 3.1, 3.4).
//!
//! ```text
//! position 0 = media time 0            base            next
//!      ┄┄┄┄┄┄┄┄ overwritten ┄┄┄┄┄┄┄┄┄┄┄▕███░░░████████▏      ░ missing block: zeros, counted, noted as gap
//! ```
//!
//! Positions never depend on when blocks arrive or how the ring was trimmed, so the same blocks give the same bytes.

use std::collections::VecDeque;

use lsie_schemas::id::pcm_checksum;
use lsie_schemas::time::UtcMicros;
use lsie_schemas::window::{PCM_BYTES_PER_SEC, SegmentWindow};

use crate::clock::SessionClock;
use crate::error::SegmentError;
use crate::gap::{Gap, GapLog, GapReason};

/// Sample rate in Hz.
pub const PCM_RATE_HZ: i64 = PCM_BYTES_PER_SEC / 2;
/// Samples the ring holds: 90 s.
pub const PCM_CAPACITY: usize = 90 * PCM_RATE_HZ as usize;

const NS_PER_SAMPLE: i64 = 1_000_000_000 / PCM_RATE_HZ;
/// Time stamps may wander this far around the sample count before the count gives way: 10 ms.
const JITTER_SAMPLES: i64 = PCM_RATE_HZ / 100;

/// What the ring has seen. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PcmCounters {
    /// Blocks taken.
    pub blocks: u64,
    /// Samples taken.
    pub samples: u64,
    /// Zeros written in place of samples that never came.
    pub gap_samples: u64,
    /// Blocks refused because media time stepped back.
    pub step_back_blocks: u64,
    /// Blocks refused because media time jumped ahead of anything plausible.
    pub jump_blocks: u64,
    /// Samples dropped because earlier ones already cover them, or because they lie before media time zero.
    pub overlap_samples: u64,
}

/// Exactly 30 s of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct PcmCut {
    /// 480 000 samples.
    pub samples: Vec<i16>,
    /// Media time of the first sample in nanoseconds; negative for a window that starts before the source.
    pub start_ns: i64,
    /// Seconds of zeros before the first sample that was ever received.
    pub silence_prefix_s: f64,
    /// Seconds of zeros behind the last received sample; 0 unless the window was cut short.
    pub silence_tail_s: f64,
    /// Hex SHA-256 of [`PcmCut::to_le_bytes`] (math 3.5).
    pub checksum: String,
    /// Stretches without sound inside the window.
    pub gaps: Vec<Gap>,
}

impl PcmCut {
    /// The 960 000 bytes, s16 little-endian.
    #[must_use]
    pub fn to_le_bytes(&self) -> Vec<u8> {
        le_bytes(&self.samples)
    }
}

/// Ring of samples on media time. Loses the oldest samples; says so when a window needs them.
#[derive(Debug, Clone)]
pub struct PcmRing {
    clock: SessionClock,
    samples: VecDeque<i16>,
    base: i64,
    first: Option<i64>,
    announced: Option<i64>,
    gaps: GapLog,
    counters: PcmCounters,
}

impl PcmRing {
    /// An empty ring on a session's clock. Allocates its 2.9 MB once.
    #[must_use]
    pub fn new(clock: SessionClock) -> Self {
        Self {
            clock,
            samples: VecDeque::with_capacity(PCM_CAPACITY),
            base: 0,
            first: None,
            announced: None,
            gaps: GapLog::default(),
            counters: PcmCounters::default(),
        }
    }

    /// Takes a block whose first sample stands at media time `pts_ns`.
    ///
    /// A missing stretch before it becomes zeros. A block that earlier ones cover entirely is a
    /// [`SegmentError::StepBack`]; one further ahead than the ring spans is a [`SegmentError::JumpAhead`] until the next
    /// block continues it. Refused blocks leave the ring as it was.
    pub fn push(&mut self, pts_ns: i64, block: &[i16]) -> Result<(), SegmentError> {
        let position = position_of(pts_ns);
        let end = position.saturating_add(span(block.len()));
        let next = self.next_position();
        let continues =
            self.first.is_some() && position.abs_diff(next) <= JITTER_SAMPLES.unsigned_abs();
        let skip = if continues {
            0
        } else if position < next {
            self.skip_covered(pts_ns, end)?;
            next - position
        } else {
            self.open_gap(position, end)?;
            0
        };
        self.announced = None;
        let fresh = block
            .get(usize::try_from(skip).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        self.counters.overlap_samples += (block.len() - fresh.len()) as u64;
        self.first = self.first.or(Some(self.next_position()));
        self.samples.extend(fresh);
        self.counters.blocks += 1;
        self.counters.samples += fresh.len() as u64;
        self.trim();
        Ok(())
    }

    /// Position behind the newest sample, from media time zero.
    #[must_use]
    pub fn next_position(&self) -> i64 {
        self.base + span(self.samples.len())
    }

    /// Media time behind the newest sample in nanoseconds; `None` before the first block.
    #[must_use]
    pub fn end_ns(&self) -> Option<i64> {
        self.first
            .map(|_| self.next_position().saturating_mul(NS_PER_SAMPLE))
    }

    /// What the ring has seen.
    #[must_use]
    pub fn counters(&self) -> PcmCounters {
        self.counters
    }

    /// Cuts the 30 s of `window` (math 3.4). [`SegmentError::NotReady`] until the ring reaches its end.
    pub fn cut(&self, window: SegmentWindow) -> Result<PcmCut, SegmentError> {
        let missing_samples = required_samples(self.clock.epoch(), window) - self.next_position();
        if missing_samples > 0 {
            return Err(SegmentError::NotReady { missing_samples });
        }
        self.cut_available(window)
    }

    /// Like [`PcmRing::cut`] for a window that ends with its source: zeros stand for what will never come.
    pub fn cut_available(&self, window: SegmentWindow) -> Result<PcmCut, SegmentError> {
        let epoch = self.clock.epoch();
        let needed_bytes = window.required_buffer_bytes(epoch);
        let have = usize::try_from(self.next_position().saturating_mul(2)).unwrap_or(0);
        let Some(plan) = window.cut_pcm(epoch, have.max(needed_bytes)) else {
            return Err(SegmentError::NotFinite { what: "window" });
        };
        let from = span(plan.buffer_range.start / 2);
        let to = span(plan.buffer_range.end / 2);
        let first = self.first.unwrap_or(i64::MAX);
        let lost_samples = self.base.min(to) - from.max(first);
        if self.base > first && lost_samples > 0 {
            return Err(SegmentError::Evicted { lost_samples });
        }
        let mut samples = vec![0; plan.silence_prefix_bytes / 2];
        let prefix = span(samples.len());
        self.copy(from, to, &mut samples);
        samples.resize(samples.len() + plan.silence_tail_bytes / 2, 0);
        let before_first = (first.min(to) - from).max(0);
        let behind_last = (to - self.next_position().max(from)).max(0);
        let start_ns = (from - prefix).saturating_mul(NS_PER_SAMPLE);
        let end_ns = to.saturating_mul(NS_PER_SAMPLE);
        Ok(PcmCut {
            start_ns,
            silence_prefix_s: (prefix + before_first) as f64 / PCM_RATE_HZ as f64,
            silence_tail_s: if self.first.is_some() {
                behind_last as f64 / PCM_RATE_HZ as f64
            } else {
                0.0
            },
            checksum: pcm_checksum(&le_bytes(&samples)),
            gaps: self.gaps.within(start_ns, end_ns).collect(),
            samples,
        })
    }

    /// Samples from position `from` to `to`, zeros where the ring has none, appended to `out`.
    fn copy(&self, from: i64, to: i64, out: &mut Vec<i16>) {
        let clamp = |position: i64| {
            position
                .clamp(self.base, self.next_position())
                .clamp(from, to)
        };
        let (held_from, held_to) = (clamp(from), clamp(to));
        let zeros = |count: i64| std::iter::repeat_n(0, usize::try_from(count).unwrap_or(0));
        if held_from >= held_to {
            out.extend(zeros(to - from));
            return;
        }
        out.extend(zeros(held_from - from));
        let (a, b) = (
            (held_from - self.base) as usize,
            (held_to - self.base) as usize,
        );
        out.extend(self.samples.range(a..b));
        out.extend(zeros(to - held_to));
    }

    fn skip_covered(&mut self, pts_ns: i64, end: i64) -> Result<(), SegmentError> {
        let next = self.next_position();
        if end > next {
            return Ok(());
        }
        self.counters.step_back_blocks += 1;
        Err(SegmentError::StepBack {
            expected_ns: next.saturating_mul(NS_PER_SAMPLE),
            got_ns: pts_ns,
        })
    }

    /// Writes zeros up to `position`. Before the first block it only moves the start.
    fn open_gap(&mut self, position: i64, end: i64) -> Result<(), SegmentError> {
        let next = self.next_position();
        let ahead = position - next;
        let is_confirmed = self
            .announced
            .is_some_and(|at| position.abs_diff(at) <= JITTER_SAMPLES.unsigned_abs());
        if ahead > span(PCM_CAPACITY) && !is_confirmed {
            self.announced = Some(end);
            self.counters.jump_blocks += 1;
            return Err(SegmentError::JumpAhead {
                by_ns: ahead.saturating_mul(NS_PER_SAMPLE),
            });
        }
        if self.first.is_none() || ahead > span(PCM_CAPACITY) {
            self.samples.clear();
            self.base = position;
        } else {
            self.samples.extend(std::iter::repeat_n(0, ahead as usize));
            self.trim();
        }
        if self.first.is_some() {
            self.counters.gap_samples += ahead.unsigned_abs();
            let (from_ns, to_ns) = (
                next.saturating_mul(NS_PER_SAMPLE),
                position.saturating_mul(NS_PER_SAMPLE),
            );
            self.gaps.note(Gap {
                from_ns,
                to_ns,
                reason: GapReason::AudioMissing,
            });
        }
        Ok(())
    }

    fn trim(&mut self) {
        let excess = self.samples.len().saturating_sub(PCM_CAPACITY);
        if excess > 0 {
            self.samples.drain(..excess);
            self.base += span(excess);
            self.gaps.forget(self.base.saturating_mul(NS_PER_SAMPLE));
        }
    }
}

/// Samples from media time zero to the end of a window (E of math 3.4 in samples).
pub(crate) fn required_samples(epoch: UtcMicros, window: SegmentWindow) -> i64 {
    span(window.required_buffer_bytes(epoch) / 2)
}

/// Sample position of a media time, nearest, ties up.
pub(crate) fn position_of(pts_ns: i64) -> i64 {
    pts_ns
        .saturating_add(NS_PER_SAMPLE / 2)
        .div_euclid(NS_PER_SAMPLE)
}

/// A count as a distance between positions.
fn span(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn le_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: UtcMicros = UtcMicros(1_767_225_600_000_000);

    fn ring() -> PcmRing {
        PcmRing::new(SessionClock::new(EPOCH))
    }

    fn window(start_s: i64) -> SegmentWindow {
        SegmentWindow::starting_at(EPOCH.plus_secs(start_s))
    }

    /// Pushes `secs` of 10 ms blocks whose samples count up from the position.
    fn fill(ring: &mut PcmRing, from_s: f64, secs: f64) {
        for k in 0..(secs * 100.0).round() as i64 {
            let pts = (from_s * 1e9).round() as i64 + k * 10_000_000;
            let at = position_of(pts);
            let block: Vec<i16> = (0..160).map(|j| value(at + j)).collect();
            ring.push(pts, &block).unwrap();
        }
    }

    fn value(position: i64) -> i16 {
        (position % 30_011 + 1) as i16
    }

    #[test]
    fn a_full_window_is_cut_at_its_place() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 40.0);
        let cut = ring.cut(window(5)).unwrap();
        assert_eq!(cut.samples.len(), 480_000);
        assert_eq!(
            (cut.samples[0], cut.samples[479_999]),
            (value(80_000), value(559_999))
        );
        assert_eq!(
            (cut.silence_prefix_s, cut.silence_tail_s, cut.start_ns),
            (0.0, 0.0, 5_000_000_000)
        );
        assert!(matches!(
            ring.cut(window(11)),
            Err(SegmentError::NotReady {
                missing_samples: 16_000
            })
        ));
    }

    #[test]
    fn a_missing_stretch_is_zero_and_named() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 10.0);
        fill(&mut ring, 12.0, 20.0);
        let cut = ring.cut(window(0)).unwrap();
        assert!(cut.samples[160_000..192_000].iter().all(|s| *s == 0));
        assert_eq!(cut.samples[192_000], value(192_000));
        assert_eq!(
            cut.gaps,
            vec![Gap {
                from_ns: 10_000_000_000,
                to_ns: 12_000_000_000,
                reason: GapReason::AudioMissing
            }]
        );
        assert_eq!(ring.counters().gap_samples, 32_000);
    }

    #[test]
    fn late_sound_and_windows_before_the_source_have_a_silent_prefix() {
        let mut ring = ring();
        fill(&mut ring, 2.0, 38.0);
        assert_eq!(ring.cut(window(0)).unwrap().silence_prefix_s, 2.0);
        let early = ring.cut(window(-5)).unwrap();
        assert_eq!(early.silence_prefix_s, 7.0);
        assert_eq!(early.samples[7 * 16_000], value(32_000));
        assert!(early.samples[..7 * 16_000].iter().all(|s| *s == 0));
    }

    #[test]
    fn a_clock_step_back_is_refused_and_counted() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 31.0);
        let before = ring.cut(window(0)).unwrap();
        let refused = ring.push(5_000_000_000, &[7; 160]);
        assert_eq!(
            refused,
            Err(SegmentError::StepBack {
                expected_ns: 31_000_000_000,
                got_ns: 5_000_000_000
            })
        );
        assert_eq!(ring.counters().step_back_blocks, 1);
        assert_eq!(ring.cut(window(0)).unwrap(), before);
    }

    #[test]
    fn an_overlapping_block_adds_only_its_tail() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 1.0);
        ring.push(950_000_000, &vec![9; 1600]).unwrap();
        assert_eq!(ring.next_position(), 16_800);
        assert_eq!(ring.counters().overlap_samples, 800);
    }

    #[test]
    fn a_single_absurd_time_stamp_changes_nothing_but_two_agreeing_ones_do() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 1.0);
        assert!(matches!(
            ring.push(i64::MAX, &[1; 160]),
            Err(SegmentError::JumpAhead { .. })
        ));
        fill(&mut ring, 1.0, 1.0);
        assert_eq!(ring.next_position(), 32_000);
        assert!(ring.push(1_000_000_000_000, &[1; 160]).is_err());
        ring.push(1_000_010_000_000, &[1; 160]).unwrap();
        assert_eq!(ring.next_position(), 16_000_320);
        assert!(ring.push(i64::MIN, &[1; 160]).is_err());
    }

    #[test]
    fn time_stamp_jitter_does_not_open_gaps() {
        let mut ring = ring();
        for k in 0..300_i64 {
            let jitter = if k % 2 == 0 { 6_000_000 } else { -6_000_000 };
            ring.push(k * 10_000_000 + i64::from(k > 0) * jitter, &[1; 160])
                .unwrap();
        }
        assert_eq!(
            (ring.next_position(), ring.counters().gap_samples),
            (48_000, 0)
        );
    }

    #[test]
    fn overwritten_windows_say_so() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 130.0);
        assert!(matches!(
            ring.cut(window(5)),
            Err(SegmentError::Evicted {
                lost_samples: 480_000
            })
        ));
        assert!(matches!(
            ring.cut(window(39)),
            Err(SegmentError::Evicted {
                lost_samples: 16_000
            })
        ));
        assert_eq!(ring.cut(window(40)).unwrap().samples[0], value(640_000));
    }

    #[test]
    fn what_ends_with_its_source_is_padded() {
        let mut ring = ring();
        fill(&mut ring, 0.0, 29.5);
        let cut = ring.cut_available(window(0)).unwrap();
        assert_eq!((cut.samples.len(), cut.silence_tail_s), (480_000, 0.5));
        assert_eq!(
            super::PcmRing::new(SessionClock::new(EPOCH))
                .cut_available(window(0))
                .unwrap()
                .silence_prefix_s,
            30.0
        );
    }
}
