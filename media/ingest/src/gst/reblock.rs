//! Cuts sound into blocks of 20 ms whose media time is counted, not read. Pure.

use std::collections::VecDeque;

use crate::pull::{PCM_RATE_HZ, PcmBlock, frames_to_ns};
use crate::watch::{IngestEvent, Watch};

/// Samples per channel of a full block: 20 ms.
pub(crate) const BLOCK_FRAMES: usize = 960;
/// Time stamps of containers may be off the count by this much before it is a gap (Matroska rounds to 1 ms).
const GAP_NS: i64 = 20_000_000;

/// One arriving piece.
pub(crate) struct Piece<'a> {
    /// Interleaved samples.
    pub(crate) samples: &'a [f32],
    pub(crate) channels: u16,
    /// Media time of the first sample; `None` follows the piece before.
    pub(crate) pts_ns: Option<i64>,
    pub(crate) host_time_ns: u64,
}

/// Collects pieces and gives blocks.
pub(crate) struct Reblocker {
    channels: u16,
    pending: Vec<f32>,
    /// Media time of the first sample since the last discontinuity; `None` before the first piece.
    anchor_ns: Option<i64>,
    /// Samples per channel handed out since then.
    given_frames: u64,
    host_time_ns: u64,
    /// Sound before this media time is discarded.
    start_pts_ns: i64,
    next_seq: u64,
    ready: VecDeque<PcmBlock>,
    watch: Watch,
}

impl Reblocker {
    pub(crate) fn new(start_pts_ns: i64, watch: Watch) -> Self {
        Reblocker {
            channels: 1,
            pending: Vec::new(),
            anchor_ns: None,
            given_frames: 0,
            host_time_ns: 0,
            start_pts_ns,
            next_seq: 0,
            ready: VecDeque::new(),
            watch,
        }
    }

    /// Takes a piece. Values that are not finite become 0; an incomplete last frame is cut off.
    pub(crate) fn push(&mut self, piece: &Piece<'_>) {
        let channels = usize::from(piece.channels.max(1));
        let frames = piece.samples.len() / channels;
        if frames == 0 {
            return;
        }
        if piece.channels != self.channels {
            self.flush();
            self.anchor_ns = None;
            self.channels = piece.channels.max(1);
        }
        let samples = self.place(piece, frames);
        if self.pending.is_empty() {
            self.host_time_ns = piece.host_time_ns;
        }
        self.pending.extend(
            samples
                .iter()
                .map(|value| if value.is_finite() { *value } else { 0.0 }),
        );
        while self.pending.len() >= BLOCK_FRAMES * channels {
            let rest = self.pending.split_off(BLOCK_FRAMES * channels);
            let block = std::mem::replace(&mut self.pending, rest);
            self.give(&block);
            self.host_time_ns = piece.host_time_ns;
        }
    }

    /// The next whole block.
    pub(crate) fn pop(&mut self) -> Option<PcmBlock> {
        self.ready.pop_front()
    }

    /// Makes a short block of what is left: at the end, and before a jump.
    pub(crate) fn flush(&mut self) {
        if !self.pending.is_empty() {
            let rest = std::mem::take(&mut self.pending);
            self.give(&rest);
        }
    }

    /// Media time behind the last sample taken; `None` before the first.
    pub(crate) fn end_pts_ns(&self) -> Option<i64> {
        self.expected_ns()
    }

    /// Finds the piece's place in media time; returns the samples that are not before the start.
    fn place<'a>(&mut self, piece: &Piece<'a>, frames: usize) -> &'a [f32] {
        let channels = usize::from(self.channels);
        let all = piece.samples.get(..frames * channels).unwrap_or_default();
        let expected_ns = self.expected_ns();
        let actual_ns = piece.pts_ns.or(expected_ns).unwrap_or(self.start_pts_ns);
        match expected_ns {
            Some(expected) if expected.abs_diff(actual_ns) <= GAP_NS as u64 => return all,
            Some(expected_pts_ns) => {
                self.flush();
                self.watch.sound_gaps(1);
                self.watch.event(IngestEvent::SoundGap {
                    expected_pts_ns,
                    actual_pts_ns: actual_ns,
                });
            }
            None => {}
        }
        let early_ns = u128::try_from(self.start_pts_ns.saturating_sub(actual_ns)).unwrap_or(0);
        let early_frames = (early_ns * u128::from(PCM_RATE_HZ)).div_ceil(1_000_000_000);
        let cut = usize::try_from(early_frames)
            .unwrap_or(usize::MAX)
            .min(frames);
        if cut == frames {
            // All of it is before the start.
            self.anchor_ns = None;
            return &[];
        }
        self.anchor_ns = Some(actual_ns.saturating_add(frames_to_ns(cut as u64)));
        self.given_frames = 0;
        all.get(cut * channels..).unwrap_or_default()
    }

    fn expected_ns(&self) -> Option<i64> {
        let waiting = (self.pending.len() / usize::from(self.channels)) as u64;
        Some(
            self.anchor_ns?
                .saturating_add(frames_to_ns(self.given_frames + waiting)),
        )
    }

    fn give(&mut self, samples: &[f32]) {
        let Some(anchor_ns) = self.anchor_ns else {
            return;
        };
        let block = PcmBlock {
            samples: samples.into(),
            channels: self.channels,
            rate_hz: PCM_RATE_HZ,
            pts_ns: anchor_ns.saturating_add(frames_to_ns(self.given_frames)),
            host_time_ns: self.host_time_ns,
            seq: self.next_seq,
        };
        self.next_seq += 1;
        self.given_frames += block.frames() as u64;
        self.ready.push_back(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(samples: &[f32], channels: u16, pts_ns: Option<i64>) -> Piece<'_> {
        Piece {
            samples,
            channels,
            pts_ns,
            host_time_ns: 5,
        }
    }

    fn drain(reblocker: &mut Reblocker) -> Vec<PcmBlock> {
        std::iter::from_fn(|| reblocker.pop()).collect()
    }

    #[test]
    fn odd_pieces_become_even_blocks_with_counted_time() {
        let mut reblocker = Reblocker::new(0, Watch::default());
        let samples: Vec<f32> = (0..4608).map(|n| n as f32).collect();
        for (index, part) in samples.chunks(1152).enumerate() {
            // Rounded to a millisecond, as a container does.
            let pts_ns = frames_to_ns(1152 * index as u64) / 1_000_000 * 1_000_000;
            reblocker.push(&piece(part, 1, Some(pts_ns)));
        }
        reblocker.flush();
        let blocks = drain(&mut reblocker);
        assert_eq!(
            blocks.iter().map(PcmBlock::frames).collect::<Vec<_>>(),
            [960, 960, 960, 960, 768]
        );
        assert_eq!(
            blocks.iter().map(|b| b.pts_ns).collect::<Vec<_>>(),
            [0, 20_000_000, 40_000_000, 60_000_000, 80_000_000]
        );
        let joined: Vec<f32> = blocks
            .iter()
            .flat_map(|b| b.samples.iter().copied())
            .collect();
        assert_eq!(joined, samples);
        assert_eq!(blocks[4].seq, 4);
    }

    #[test]
    fn a_jump_is_an_event_and_moves_the_count() {
        let watch = Watch::default();
        let mut reblocker = Reblocker::new(0, watch.clone());
        reblocker.push(&piece(&[0.5; 1000], 1, Some(0)));
        reblocker.push(&piece(&[0.5; 960], 1, Some(1_000_000_000)));
        let blocks = drain(&mut reblocker);
        assert_eq!(
            blocks
                .iter()
                .map(|b| (b.pts_ns, b.frames()))
                .collect::<Vec<_>>(),
            [(0, 960), (20_000_000, 40), (1_000_000_000, 960)]
        );
        assert_eq!(watch.counters().sound_gaps, 1);
        assert!(matches!(
            watch.take_events()[..],
            [IngestEvent::SoundGap {
                actual_pts_ns: 1_000_000_000,
                ..
            }]
        ));
    }

    #[test]
    fn sound_before_the_start_is_cut_to_the_sample() {
        let mut reblocker = Reblocker::new(30_000_000, Watch::default());
        reblocker.push(&piece(&[1.0; 960], 1, Some(0)));
        let second: Vec<f32> = (0..960).map(|n| n as f32).collect();
        reblocker.push(&piece(&second, 1, Some(20_000_000)));
        reblocker.flush();
        let blocks = drain(&mut reblocker);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].pts_ns, 30_000_000);
        assert_eq!(blocks[0].samples[0], 480.0);
        assert_eq!(blocks[0].frames(), 480);
    }

    #[test]
    fn stereo_broken_values_and_huge_times_are_bounded() {
        let watch = Watch::default();
        let mut reblocker = Reblocker::new(0, watch.clone());
        reblocker.push(&piece(
            &[f32::NAN, 1.0, f32::INFINITY, 1.0, 0.25],
            2,
            Some(0),
        ));
        reblocker.push(&piece(&[0.5; 4], 2, Some(i64::MAX)));
        reblocker.push(&piece(&[0.5; 4], 2, Some(i64::MIN)));
        reblocker.push(&piece(&[], 0, None));
        reblocker.flush();
        let blocks = drain(&mut reblocker);
        assert_eq!(blocks[0].samples[..], [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(blocks[0].frames(), 2);
        assert_eq!(watch.counters().sound_gaps, 2);
    }
}
