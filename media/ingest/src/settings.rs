//! What the opener of a source chooses.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use lsie_device::Device;

use crate::scheme::Pace;

/// Told about slow preparations (the demo's first encoding).
pub type ProgressFn = Arc<dyn Fn(Progress) + Send + Sync>;

/// Where a live source stands on a timeline that began before it was opened: media time runs with the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaAnchor {
    /// An instant of the host's monotonic clock ([`crate::host_time_ns`]), nanoseconds.
    pub host_time_ns: u64,
    /// Media time at that instant, nanoseconds.
    pub pts_ns: i64,
}

impl MediaAnchor {
    /// Media time at another instant, nanoseconds; saturates.
    #[must_use]
    pub fn pts_at(self, host_time_ns: u64) -> i64 {
        let since_ns = i128::from(host_time_ns) - i128::from(self.host_time_ns);
        let pts_ns = i128::from(self.pts_ns) + since_ns;
        pts_ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

/// How far a preparation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Frames done.
    pub done_frames: u64,
    /// Frames in all.
    pub total_frames: u64,
}

/// Choices for [`crate::open`] that are not part of the address.
#[derive(Clone)]
pub struct OpenSettings {
    /// Where frames are to live.
    pub device: Arc<dyn Device>,
    /// Slots of each frame pool, at least 2; a frame holds its slot until its last clone is dropped. Default 8.
    pub pool_slots: usize,
    /// Folder for files that can be made again (the demo's encoded pictures).
    pub cache_dir: PathBuf,
    /// Begins here instead of where the address says, seconds of media time; for resuming after an engine restart.
    pub start_secs: Option<f64>,
    /// For a live source that is opened again: its media time goes on by the host's clock, in place of `start_secs`. Other
    /// sources ignore it.
    pub anchor: Option<MediaAnchor>,
    /// Whether the picture is wanted; unwanted streams are not decoded. Default true.
    pub wants_video: bool,
    /// Whether the sound is wanted. Default true.
    pub wants_audio: bool,
    /// Told about slow preparations, on the opener's thread.
    pub progress: Option<ProgressFn>,
}

impl OpenSettings {
    /// Settings with defaults: 8 slots, picture and sound, no progress.
    pub fn new(device: Arc<dyn Device>, cache_dir: impl Into<PathBuf>) -> Self {
        OpenSettings {
            device,
            pool_slots: 8,
            cache_dir: cache_dir.into(),
            start_secs: None,
            anchor: None,
            wants_video: true,
            wants_audio: true,
            progress: None,
        }
    }

    /// The anchor, for a source of this pace.
    pub(crate) fn anchor_of(&self, pace: Pace) -> Option<MediaAnchor> {
        self.anchor.filter(|_| pace == Pace::Live)
    }
}

impl fmt::Debug for OpenSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenSettings")
            .field("device", &self.device.info().kind)
            .field("pool_slots", &self.pool_slots)
            .field("cache_dir", &self.cache_dir)
            .field("start_secs", &self.start_secs)
            .field("anchor", &self.anchor)
            .field("wants_video", &self.wants_video)
            .field("wants_audio", &self.wants_audio)
            .finish_non_exhaustive()
    }
}
