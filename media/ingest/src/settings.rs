//! What the opener of a source chooses.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use lsie_device::Device;
use lsie_handset::scrcpy::JarSearch;
use lsie_webrtc::Publications;

use crate::gst::cuda::CudaShare;
use crate::scheme::Pace;
use crate::tap::MediaTap;

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

/// Where phones are reached, for addresses that do not say it.
#[derive(Debug, Clone)]
pub struct PhoneSettings {
    /// Port of the adb server on this machine.
    pub adb_port: u16,
    /// Program that starts the adb server when the port refuses; `None` leaves that to the operator.
    pub adb_program: Option<PathBuf>,
    /// Where the scrcpy server is looked for.
    pub jar: JarSearch,
}

impl PhoneSettings {
    /// As the configuration has it; empty texts are what is not set. A version that is none is said in the log and left
    /// out, so that an unknown server file is refused when it is needed.
    pub fn configured(adb_port: u16, adb: &str, scrcpy_server: &str, scrcpy_version: &str) -> Self {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        let stated_version = match scrcpy_version.parse() {
            _ if scrcpy_version.is_empty() => None,
            Ok(version) => Some(version),
            Err(error) => {
                tracing::error!(%error, "device.scrcpy_version is left out");
                None
            }
        };
        PhoneSettings {
            adb_port,
            adb_program: path(adb),
            jar: JarSearch {
                configured: path(scrcpy_server),
                stated_version,
                ..JarSearch::default()
            },
        }
    }
}

impl Default for PhoneSettings {
    fn default() -> Self {
        PhoneSettings {
            adb_port: lsie_handset::adb::DEFAULT_PORT,
            adb_program: Some("adb".into()),
            jar: JarSearch::default(),
        }
    }
}

/// Elements in the place of devices, as `gst-launch-1.0` describes them: for tests, and for cameras that need a driver of
/// their own. Never taken from an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StandIns {
    /// In the place of every camera.
    pub camera: Option<String>,
    /// In the place of every microphone.
    pub microphone: Option<String>,
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
    /// Where phones are reached.
    pub phones: PhoneSettings,
    /// What stands in for cameras and microphones; by default nothing does.
    pub stand_ins: StandIns,
    /// Told about slow preparations, on the opener's thread.
    pub progress: Option<ProgressFn>,
    /// What WHIP publishers send; without it `whip:` cannot be opened.
    pub publications: Option<Arc<Publications>>,
    /// Where encoded media leave for viewers.
    pub tap: Option<Arc<dyn MediaTap>>,
    /// The device's CUDA context, lent to decoders of H.264 so that pictures stay where they write them.
    pub surfaces: Option<CudaShare>,
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
            phones: PhoneSettings::default(),
            stand_ins: StandIns::default(),
            progress: None,
            publications: None,
            tap: None,
            surfaces: None,
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
            .field("phones", &self.phones)
            .field("stand_ins", &self.stand_ins)
            .field("tap", &self.tap.is_some())
            .field("surfaces", &self.surfaces)
            .finish_non_exhaustive()
    }
}
