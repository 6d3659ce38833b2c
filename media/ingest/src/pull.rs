//! What the consumer gets: pulls, sample blocks, access units, the host clock.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// The rate of every [`PcmBlock`], samples per second and channel.
pub const PCM_RATE_HZ: u32 = 48_000;
/// Longest wait of one pull; longer timeouts are cut to it, so that no arithmetic on them can overflow.
pub(crate) const LONGEST_PULL: Duration = Duration::from_hours(1);

/// The answer to one pull.
#[derive(Debug, Clone, PartialEq)]
pub enum Pull<T> {
    /// The next item.
    Item(T),
    /// Nothing within the timeout; ask again.
    Pending,
    /// The source has ended or was stopped; nothing will come any more.
    End,
}

/// A piece of sound: at most 20 ms at [`PCM_RATE_HZ`].
#[derive(Debug, Clone, PartialEq)]
pub struct PcmBlock {
    /// Samples in [-1, 1], channels interleaved.
    pub samples: Arc<[f32]>,
    /// Channels, at least 1.
    pub channels: u16,
    /// Samples per second and channel; always [`PCM_RATE_HZ`].
    pub rate_hz: u32,
    /// Media time of the first sample, nanoseconds, by counting samples from the last discontinuity.
    pub pts_ns: i64,
    /// When the block arrived, nanoseconds of the host's monotonic clock.
    pub host_time_ns: u64,
    /// Counts the blocks of a source from 0.
    pub seq: u64,
}

impl PcmBlock {
    /// Samples per channel.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels.max(1))
    }

    /// Media time just after the last sample, nanoseconds.
    pub fn end_pts_ns(&self) -> i64 {
        self.pts_ns
            .saturating_add(frames_to_ns(self.frames() as u64))
    }
}

/// One encoded picture, H.264 byte stream, exactly one access unit with its parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// The bytes, beginning with a start code.
    pub data: Arc<[u8]>,
    /// Media time, nanoseconds.
    pub pts_ns: i64,
    /// Whether decoding can begin here.
    pub key: bool,
}

/// The host's monotonic clock, nanoseconds (the same clock as `std::time::Instant` on Linux).
///
/// 0 when GStreamer cannot start; every `open` fails first in that case.
pub fn host_time_ns() -> u64 {
    match gst::init() {
        Ok(()) => gst::SystemClock::obtain().time().nseconds(),
        Err(_) => 0,
    }
}

/// Duration of `frames` samples per channel, nanoseconds, rounded down.
pub(crate) fn frames_to_ns(frames: u64) -> i64 {
    let nanos = u128::from(frames) * 1_000_000_000 / u128::from(PCM_RATE_HZ);
    i64::try_from(nanos).unwrap_or(i64::MAX)
}
