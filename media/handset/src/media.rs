//! What a consumer receives.

use crate::clock::MappedTime;
use crate::scrcpy::VideoSize;

/// A picture older than this at arrival is flagged, nanoseconds: it may be measured, but is not shown as live.
pub const MAX_LIVE_AGE_NS: i64 = 250_000_000;

/// Marks of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitFlags(u8);

impl UnitFlags {
    /// Decodable without what came before.
    pub const KEY: Self = Self(1);
    /// Units before it were lost, or the phone began anew.
    pub const DISCONTINUOUS: Self = Self(2);
    /// It arrived later than [`MAX_LIVE_AGE_NS`] after capture.
    pub const LATE: Self = Self(4);
    /// Its time stamps are of no known clock: `sync=unknown`.
    pub const UNSYNCHRONISED: Self = Self(8);

    /// Whether all marks of `other` are set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the marks of `other` when `condition` holds.
    #[must_use]
    pub fn with(self, other: Self, condition: bool) -> Self {
        Self(if condition { self.0 | other.0 } else { self.0 })
    }
}

/// One encoded picture, as it came, with a waiting configuration in front of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessUnit {
    /// Annex-B for H.26x.
    pub data: Vec<u8>,
    /// Phone's clock, nanoseconds.
    pub device_pts_ns: i64,
    /// Our monotonic time of capture; `None` while no clock maps.
    pub host_time: Option<MappedTime>,
    /// Our monotonic time of arrival, nanoseconds.
    pub arrived_ns: i64,
    /// Size of the picture, where the stream has told it.
    pub size: Option<VideoSize>,
    /// Marks.
    pub flags: UnitFlags,
}

/// Content of a block of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioContent {
    /// Signed 16-bit samples, 2 channels interleaved, 48 kHz.
    Samples(Vec<i16>),
    /// Nothing arrived for these sample frames; they stand for silence and are no measurement.
    Silence,
    /// A packet of another codec.
    Encoded(Vec<u8>),
}

/// One block of sound.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioBlock {
    /// What it holds.
    pub content: AudioContent,
    /// Its length in sample frames; 0 for encoded packets, whose codec knows.
    pub frames: u64,
    /// Smoothed time of its first sample frame, phone's clock, nanoseconds.
    pub device_pts_ns: i64,
    /// Our monotonic time of its first sample frame; `None` while no clock maps.
    pub host_time: Option<MappedTime>,
    /// Our monotonic time of arrival, nanoseconds.
    pub arrived_ns: i64,
}

/// What one stream carried and lost since the handset was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamCounters {
    /// Media packets that arrived.
    pub packets: u64,
    /// Payload bytes that arrived.
    pub bytes: u64,
    /// Key pictures among the packets.
    pub keys: u64,
    /// Configuration packets.
    pub configs: u64,
    /// Units or blocks lost because the queue was full, up to the next key.
    pub dropped: u64,
    /// Units without a start code, and the units behind them up to the next key.
    pub corrupt: u64,
    /// Units flagged late.
    pub late: u64,
    /// Sample frames filled with silence.
    pub silent_frames: u64,
    /// Streams that ended for a framing error.
    pub framing_errors: u64,
}
