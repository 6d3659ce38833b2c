//! The phone's sound as counted blocks of 48 kHz.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lsie_handset::clock::ClockState;
use lsie_handset::{AudioBlock, AudioContent};

use super::link::HandsetLink;
use super::slip::slip;
use crate::error::IngestError;
use crate::gst::reblock::{Piece, Reblocker};
use crate::pull::{LONGEST_PULL, PcmBlock, Pull, frames_to_ns};

/// Longest wait before the link is looked at again.
const SLICE: Duration = Duration::from_millis(50);
/// Raw sound of a phone has two channels.
const CHANNELS: u16 = 2;
/// Sound may be held back so long at a beginning, for the clock to be mapped well, nanoseconds.
const SETTLING_NS: i64 = 1_000_000_000;
/// After a pause like this the clock is to be mapped anew, nanoseconds.
const PAUSE_NS: i64 = 250_000_000;
/// Farther apart than this, count and clock are brought together by a gap, nanoseconds.
const GAP_NS: i64 = 20_000_000;

/// Pulls sound out of a phone. What never arrived is not filled: the jump says it.
pub(crate) struct HandsetSound {
    link: Arc<HandsetLink>,
    reblocker: Reblocker,
    /// Where it is the only stream, it tells of the link's end.
    is_alone: bool,
    settling: Settling,
    over: bool,
}

impl HandsetSound {
    pub(crate) fn new(link: Arc<HandsetLink>, start_pts_ns: i64, is_alone: bool) -> Self {
        let reblocker = Reblocker::new(start_pts_ns, link.watch.clone());
        HandsetSound {
            link,
            reblocker,
            is_alone,
            settling: Settling::default(),
            over: false,
        }
    }

    pub(crate) fn next(&mut self, timeout: Duration) -> Result<Pull<PcmBlock>, IngestError> {
        let deadline = Instant::now() + timeout.min(LONGEST_PULL);
        loop {
            if self.over || self.link.is_stopped() || self.link.streams.audio.is_finished() {
                return Ok(Pull::End);
            }
            if let Some(block) = self.reblocker.pop() {
                return Ok(Pull::Item(block));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(block) = self.link.streams.audio.pop(left.min(SLICE)) {
                self.take(&block);
                continue;
            }
            if self.is_alone {
                self.link.note_events();
                if let Some(fault) = self.link.fault() {
                    self.over = true;
                    return Err(fault);
                }
            }
            if left.is_zero() {
                return Ok(Pull::Pending);
            }
        }
    }

    /// From now on it is at its end.
    pub(crate) fn release(&mut self) {
        self.over = true;
    }

    fn take(&mut self, block: &AudioBlock) {
        let AudioContent::Samples(raw) = &block.content else {
            return;
        };
        let is_good = block
            .host_time
            .is_some_and(|time| time.state == ClockState::Good);
        if !self.settling.is_over(block.arrived_ns, is_good) {
            return;
        }
        let captured = self.link.captured(block.host_time, block.arrived_ns);
        let length_ns = frames_to_ns(block.frames);
        let begin_host_ns = if captured.is_mapped {
            captured.host_ns
        } else {
            captured.host_ns.saturating_sub(length_ns)
        };
        let pts_ns = self.link.timeline.pts_ns(begin_host_ns);
        let mut samples: Vec<f32> = raw.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        let counted_ns = self.reblocker.end_pts_ns().unwrap_or(pts_ns);
        let error_ns = pts_ns.saturating_sub(counted_ns);
        if error_ns < -GAP_NS {
            // It would stand before what was given already.
            self.link.watch.sound_overlaps(1);
            return;
        }
        if error_ns <= GAP_NS {
            let has_slipped = slip(&mut samples, usize::from(CHANNELS), error_ns);
            self.link.watch.sound_slips(u64::from(has_slipped));
        }
        self.reblocker.push(&Piece {
            samples: &samples,
            channels: CHANNELS,
            pts_ns: Some(pts_ns),
            // By this the end of the block stands where the clock has it.
            host_time_ns: u64::try_from(begin_host_ns.saturating_add(length_ns)).unwrap_or(0),
        });
    }
}

/// A beginning timed by arrival would jump as soon as the clock is known: it is held back. Pure.
#[derive(Debug, Default)]
struct Settling {
    began_ns: Option<i64>,
    last_ns: i64,
    is_over: bool,
}

impl Settling {
    /// Whether a block that arrived now may be given; `is_good` says that the responder maps its time.
    fn is_over(&mut self, arrived_ns: i64, is_good: bool) -> bool {
        if arrived_ns.saturating_sub(self.last_ns) > PAUSE_NS {
            // A session that begins anew begins with an unknown clock.
            (self.began_ns, self.is_over) = (None, false);
        }
        self.last_ns = arrived_ns;
        let began_ns = *self.began_ns.get_or_insert(arrived_ns);
        self.is_over |= is_good || arrived_ns.saturating_sub(began_ns) > SETTLING_NS;
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn a_beginning_waits_for_its_clock_but_not_for_ever() {
        let mut settling = Settling::default();
        assert!(!settling.is_over(10_000 * MS, false));
        assert!(settling.is_over(10_020 * MS, true));
        assert!(settling.is_over(10_040 * MS, false), "once good, given");
        let mut blind = Settling::default();
        let given: Vec<bool> = (0..60)
            .map(|n| blind.is_over(10_000 * MS + n * 20 * MS, false))
            .collect();
        assert_eq!(given.iter().position(|given| *given), Some(51));
    }

    #[test]
    fn after_a_pause_it_begins_anew() {
        let mut settling = Settling::default();
        assert!(settling.is_over(10_000 * MS, true));
        assert!(!settling.is_over(11_000 * MS, false));
        assert!(settling.is_over(11_020 * MS, true));
    }
}
