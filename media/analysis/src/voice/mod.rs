//! Voice activity, level and pitch of one 16 kHz mono stream.
//!
//! ```text
//! s16 at 16 kHz ─▶ chunks of 512 ─┬─▶ level meter ──────────────────▶ VoiceOutput::Observation (32 ms each)
//!                                 ├─▶ pitch, a stream per 30 s ─────▶ the same, and VoiceOutput::Window (30 s each)
//!                                 └─▶ Silero network ─▶ hysteresis ─▶ VoiceOutput::Started / Ended
//! ```
//!
//! Without the model the level meter goes on and the probability is `None`: [`VoiceStream::unavailable`] says why.

mod history;
mod hysteresis;
mod level;
mod pitch;
mod silero;
mod stream;

pub use history::VoiceHistory;
pub use hysteresis::VoiceSettings;
pub use level::{FLOOR_DBFS, Level};
pub use pitch::{WindowPitch, summary as pitch_summary};
pub use silero::VoiceUnavailable;
pub use stream::{VoiceCounters, VoiceOutput, VoiceStream};

/// Samples per second that the stream takes.
pub const VOICE_RATE_HZ: u32 = 16_000;

/// New samples per chunk: 32 ms.
pub const VOICE_CHUNK_SAMPLES: usize = 512;

/// Nanoseconds per sample, exactly.
const SAMPLE_NS: i64 = 62_500;

/// Nanoseconds per chunk, exactly.
const CHUNK_NS: i64 = SAMPLE_NS * 512;
