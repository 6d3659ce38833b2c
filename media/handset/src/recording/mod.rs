//! What a phone sent, kept as it came: the bridge from "simulated" to "seen on a phone" (device 8).
//!
//! ```text
//! socket ─▶ WireCutter ─▶ pieces ─▶ Recorder ─▶ DIR/video.wire, DIR/audio.wire ─▶ Recording ─▶ the simulator
//!
//! file   "lsie-wire 1 video 4.1\n"  then pieces: i64 when it was complete (ns) | u8 what | u32 length | bytes, little-endian
//! what   M model (64)   H codec and size   P packet header (12)   D payload   X SHA-256 of a payload that was left out (32)
//! ```
//!
//! Pictures and sound are written only where the operator asked for them; without, a recording holds headers, timing and
//! hashes, and is played back with payloads of the right length that show nothing.

mod cutter;
mod error;
mod file;
mod recorder;

pub use cutter::{Piece, PieceKind, WireCutter};
pub use error::RecordingError;
pub use file::{Recording, StreamTrace};
pub use recorder::{RecordSettings, Recorder, RecorderTap, RecordingReport, StreamReport};
