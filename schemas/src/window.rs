//! Segment windows and the PCM bytes that belong to them (math 3.1 to 3.4). Pure arithmetic, no buffers.
//!
//! ```text
//! stimulus window   t-25 ─────────── t-5 ══ t-2 ── t ─ t+0.5 ═════ t+5
//!                                    baseline          measurement
//! ```

use std::ops::Range;

use crate::time::UtcMicros;

/// Length of every segment, seconds.
pub const SEGMENT_SECS: i64 = 30;
/// PCM rate of a segment: mono s16 at 16 kHz, bytes per second.
pub const PCM_BYTES_PER_SEC: i64 = 32_000;
/// PCM length of a segment, bytes.
pub const SEGMENT_PCM_BYTES: usize = 960_000;
/// Start of a stimulus window relative to the stimulus, seconds.
pub const STIMULUS_LEAD_SECS: f64 = 25.0;
/// Reach before and after the stimulus that a window must contain, seconds.
pub const STIMULUS_REACH_SECS: f64 = 5.0;

/// A half-open name for a closed interval of 30 s: both ends belong to it (math 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentWindow {
    /// First instant.
    pub start_utc: UtcMicros,
    /// Last instant, 30 s later.
    pub end_utc: UtcMicros,
}

/// Where the bytes of one segment come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcmCut {
    /// Zero bytes in front: the window starts before the buffer.
    pub silence_prefix_bytes: usize,
    /// Bytes taken from the buffer.
    pub buffer_range: Range<usize>,
    /// Zero bytes behind, left by rounding or a short buffer.
    pub silence_tail_bytes: usize,
}

impl SegmentWindow {
    /// The 30 s window that starts at an instant.
    #[must_use]
    pub const fn starting_at(start_utc: UtcMicros) -> Self {
        Self {
            start_utc,
            end_utc: start_utc.plus_secs(SEGMENT_SECS),
        }
    }

    /// Grid window `number` (1 is the first) after the session's anchor; without an anchor it is `now - 30 s` (math 3.2).
    #[must_use]
    pub fn grid(anchor_utc: Option<UtcMicros>, number: u32, now_utc: UtcMicros) -> Self {
        let anchor = anchor_utc.unwrap_or_else(|| now_utc.plus_secs(-SEGMENT_SECS));
        Self::starting_at(anchor.plus_secs(SEGMENT_SECS * (i64::from(number) - 1)))
    }

    /// Window around a stimulus at epoch seconds `stimulus_time_s` (math 3.3). `None` for an unrepresentable instant.
    #[must_use]
    pub fn around_stimulus(stimulus_time_s: f64) -> Option<Self> {
        UtcMicros::from_epoch_secs(stimulus_time_s - STIMULUS_LEAD_SECS).map(Self::starting_at)
    }

    /// Tells whether baseline and measurement of a stimulus lie inside (math 3.3). False for a non-finite time.
    #[must_use]
    pub fn holds_stimulus(self, stimulus_time_s: f64) -> bool {
        self.start_utc.as_epoch_secs() <= stimulus_time_s - STIMULUS_REACH_SECS
            && self.end_utc.as_epoch_secs() >= stimulus_time_s + STIMULUS_REACH_SECS
    }

    /// Tells whether an observation at epoch seconds belongs to the window, ends included (math 3.6).
    #[must_use]
    pub fn contains(self, timestamp_s: f64) -> bool {
        self.start_utc.as_epoch_secs() <= timestamp_s && timestamp_s <= self.end_utc.as_epoch_secs()
    }

    /// Buffer length in bytes from which on the window can be cut (math 3.4).
    #[must_use]
    pub fn required_buffer_bytes(self, buffer_start_utc: UtcMicros) -> usize {
        byte_offset(buffer_start_utc, self.end_utc)
    }

    /// Plans the cut of this window out of a buffer (math 3.4). `None` while the buffer is too short.
    #[must_use]
    pub fn cut_pcm(self, buffer_start_utc: UtcMicros, buffer_bytes: usize) -> Option<PcmCut> {
        let required = self.required_buffer_bytes(buffer_start_utc);
        if buffer_bytes < required {
            return None;
        }
        let (prefix, range) = if self.start_utc >= buffer_start_utc {
            let first = byte_offset(buffer_start_utc, self.start_utc).min(buffer_bytes);
            (
                0,
                first..first.saturating_add(SEGMENT_PCM_BYTES).min(buffer_bytes),
            )
        } else {
            let prefix = byte_offset(self.start_utc, buffer_start_utc).min(SEGMENT_PCM_BYTES);
            (prefix, 0..required.min(SEGMENT_PCM_BYTES - prefix))
        };
        let silence_tail_bytes = SEGMENT_PCM_BYTES - prefix - range.len();
        Some(PcmCut {
            silence_prefix_bytes: prefix,
            buffer_range: range,
            silence_tail_bytes,
        })
    }
}

impl PcmCut {
    /// Seconds of padding in front, so that padding is never taken for quiet speech (math 3.4).
    #[must_use]
    pub fn silence_prefix_s(&self) -> f64 {
        self.silence_prefix_bytes as f64 / PCM_BYTES_PER_SEC as f64
    }
}

/// Byte distance between two instants at 32 000 bytes per second, a whole number of samples, zero if reversed (math 3.4).
#[must_use]
pub fn byte_offset(from_utc: UtcMicros, to_utc: UtcMicros) -> usize {
    let bytes = (to_utc.secs_since(from_utc) * PCM_BYTES_PER_SEC as f64).round_ties_even();
    // The cast saturates; a negative distance becomes 0.
    (bytes as usize) & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: UtcMicros = UtcMicros(1_767_225_600_000_000);

    #[test]
    fn grid_windows_touch_and_fall_back_to_now() {
        let first = SegmentWindow::grid(Some(START), 1, UtcMicros(0));
        let second = SegmentWindow::grid(Some(START), 2, UtcMicros(0));
        assert_eq!(first.start_utc, START);
        assert_eq!(first.end_utc, second.start_utc);
        assert_eq!(SegmentWindow::grid(None, 1, START).end_utc, START);
    }

    #[test]
    fn a_stimulus_needs_five_seconds_on_both_sides() {
        let window = SegmentWindow::starting_at(START);
        for (offset, held) in [(4.99, false), (5.0, true), (25.0, true), (25.1, false)] {
            assert_eq!(
                window.holds_stimulus(1_767_225_600.0 + offset),
                held,
                "{offset}"
            );
        }
        assert!(!window.holds_stimulus(f64::NAN));
        assert!(!window.contains(f64::NAN));
        assert_eq!(SegmentWindow::around_stimulus(f64::INFINITY), None);
    }

    #[test]
    fn a_window_before_the_buffer_gets_a_silent_prefix() {
        let window = SegmentWindow::starting_at(START);
        let cut = window.cut_pcm(START.plus_secs(2), 960_000).unwrap();
        assert_eq!(
            (cut.silence_prefix_bytes, cut.buffer_range.clone()),
            (64_000, 0..896_000)
        );
        assert_eq!(cut.silence_prefix_s(), 2.0);
        assert_eq!(window.cut_pcm(START, 959_999), None);
    }

    #[test]
    fn a_buffer_that_starts_after_the_window_is_all_silence() {
        let cut = SegmentWindow::starting_at(START)
            .cut_pcm(START.plus_secs(3600), 0)
            .unwrap();
        assert_eq!(
            cut,
            PcmCut {
                silence_prefix_bytes: 960_000,
                buffer_range: 0..0,
                silence_tail_bytes: 0
            }
        );
    }

    #[test]
    fn sub_sample_starts_are_floored_to_a_sample() {
        assert_eq!(byte_offset(START, START.plus_micros(30)), 0);
        assert_eq!(byte_offset(START, START.plus_micros(-1)), 0);
        assert_eq!(
            byte_offset(START.plus_micros(30), START.plus_secs(30)),
            959_998
        );
    }

    proptest! {
        #[test]
        fn a_cut_always_fills_exactly_one_segment(shift_micros in -90_000_000_i64..90_000_000, buffer_bytes in 0_usize..4_000_000) {
            let window = SegmentWindow::starting_at(START);
            if let Some(cut) = window.cut_pcm(START.plus_micros(shift_micros), buffer_bytes) {
                prop_assert_eq!(cut.silence_prefix_bytes + cut.buffer_range.len() + cut.silence_tail_bytes, SEGMENT_PCM_BYTES);
                prop_assert!(cut.buffer_range.end <= buffer_bytes);
                prop_assert_eq!(cut.buffer_range.start % 2, 0);
            }
        }

        #[test]
        fn extreme_instants_never_panic(a in any::<i64>(), b in any::<i64>(), bytes in any::<usize>()) {
            let _ = SegmentWindow::starting_at(UtcMicros(a)).cut_pcm(UtcMicros(b), bytes);
        }
    }
}
