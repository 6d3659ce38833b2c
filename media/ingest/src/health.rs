//! What an operator is told about a source that lives outside this process. Pure.

use serde::Serialize;

/// How such a source is, in the words of the status pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// It does not send; it is waited for and will go on by itself, perhaps after what the hint says.
    Recovering,
    /// It sends, but not everything, or with less exact times than it should.
    Degraded,
    /// Given up.
    Error,
    /// It sends.
    Ok,
}

impl SourceState {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Recovering => "recovering",
            Self::Degraded => "degraded",
            Self::Error => "error",
            Self::Ok => "ok",
        }
    }
}

/// How the source's clock stands against ours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SourceClock {
    /// What maps it: `good`, `one_way`, `holdover` or `none`.
    pub state: &'static str,
    /// Our wall clock minus the source's, seconds; `None` when it was not asked for 300 s.
    pub offset_secs: Option<f64>,
    /// Its rate against ours, millionths; positive runs fast.
    pub drift_ppm: Option<f64>,
    /// Error bound of its times now, milliseconds.
    pub uncertainty_ms: Option<f64>,
    /// Least round trip of the last minute, milliseconds.
    pub round_trip_ms: Option<f64>,
}

/// A phone and what its streams carry. Counters begin when the source is opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourcePhone {
    /// Its serial.
    pub serial: String,
    /// Its model; empty before it was told.
    pub model: String,
    /// Version of the server that runs on it.
    pub server_version: String,
    /// Width and height of its pictures in pixels.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second that arrive.
    pub fps: Option<f64>,
    /// Bits of pictures per second that arrive.
    pub bit_rate_bps: Option<u32>,
    /// Pictures that arrived too late to be live.
    pub pictures_late: u64,
    /// Pictures lost up to the next key because nobody took them in time.
    pub pictures_dropped: u64,
    /// Pictures that were no pictures, and those behind them up to the next key.
    pub pictures_corrupt: u64,
    /// Blocks of sound lost because nobody took them in time.
    pub sound_dropped: u64,
    /// Sample frames that never arrived and stand as silence.
    pub sound_silent_frames: u64,
    /// Sessions that were begun on it.
    pub sessions: u64,
}

/// A source that lives outside this process and says how it is.
pub(crate) trait RemoteSource: Send + Sync {
    /// How it is now.
    fn health(&self) -> SourceHealth;
}

/// How a source is and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceHealth {
    /// In one word.
    pub state: SourceState,
    /// Where it is and why, for example `streaming` or `unauthorized`.
    pub detail: String,
    /// What the operator can do; empty when nothing has to be done.
    pub hint: String,
    /// Whether it sends, or may rightly send nothing just now, as a screen that stands still.
    pub is_connected: bool,
    /// Its clock, where it has one of its own.
    pub clock: Option<SourceClock>,
    /// The phone, where it is one and has been seen.
    pub phone: Option<SourcePhone>,
}
