//! Session time, sound and observation rings, and the 30 s windows cut from them.
//!
//! ```text
//! blocks ──▶ PcmRing ──────────┐ cut           one contract: the same blocks, observations and stimulus times give the
//! values ──▶ ObservationRing ──┼──▶ SegmentParts   same windows bit for bit, however fast they arrive
//! positions ▶ Windower ────────┘ closed windows
//! ```
//!
//! Everything here is a value: bytes and times in, windows out. The crate never starts a thread, never reads a clock,
//! never touches a frame and never decides what a window means.
//!
//! # Example
//!
//! ```
//! use lsie_schemas::time::UtcMicros;
//! use lsie_segment::{ObservationRing, Patience, PcmRing, Reached, SessionClock, WindowSettings, Windower, cut_segment};
//!
//! let clock = SessionClock::new(UtcMicros(1_767_225_600_000_000));
//! let mut sound = PcmRing::new(clock);
//! let mut scores = ObservationRing::new(75.0, 8192);
//! let mut windower = Windower::new(WindowSettings {
//!     session_id: uuid::Uuid::from_u128(7),
//!     clock,
//!     has_audio: true,
//!     has_video: false,
//!     patience: Patience::File,
//!     grid_anchor: Some(clock.epoch()),
//!     resume_at_ns: 0,
//! });
//!
//! for second in 0..31 {
//!     sound.push(second * 1_000_000_000, &[0; 16_000])?;
//!     scores.push(clock.epoch_secs_at(second * 1_000_000_000), 0.5)?;
//! }
//! let reached = Reached { audio_ns: sound.end_ns(), ..Reached::default() };
//! let closed = windower.poll(reached);
//! let parts = cut_segment(closed[0].clone(), Some(&sound), &scores)?;
//! assert_eq!(parts.pcm.map(|cut| cut.samples.len()), Some(480_000));
//! assert_eq!(parts.series.len(), 31);
//! # Ok::<(), lsie_segment::SegmentError>(())
//! ```

mod clock;
mod error;
mod gap;
mod observe;
mod parts;
mod pcm;
mod window;

pub use clock::{DriftEstimator, DriftPoll, DriftState, SessionClock};
pub use error::SegmentError;
pub use gap::{Gap, GapLog, GapReason, MAX_GAPS_PER_WINDOW};
pub use observe::{Cursor, Fresh, Observation, ObservationCounters, ObservationRing};
pub use parts::{SegmentParts, cut_segment};
pub use pcm::{PCM_CAPACITY, PCM_RATE_HZ, PcmCounters, PcmCut, PcmRing};
pub use window::{
    AbandonedWindow, ClosedWindow, END_TOLERANCE_NS, Finished, MAX_PENDING_STIMULI,
    MAX_WINDOWS_PER_POLL, Patience, Reached, WindowSettings, Windower,
};
