//! The tethered phone: adb's host protocol, the scrcpy server's streams, the phone's clock.
//!
//! ```text
//! adb server ◀─TCP─ AdbClient ──▶ push jar and responder, start the server, open its sockets
//!                       │
//!   video, audio ───────┼──▶ StreamParser ──▶ AccessUnit, AudioBlock ──▶ bounded queues ──▶ the consumer
//!   clock responder ────┴──▶ ClockLadder ───────────┘ host time with uncertainty
//! ```
//!
//! Everything that judges bytes or time is pure: [`scrcpy::StreamParser`], [`clock::ClockLadder`] and [`session::Machine`]
//! take bytes, or what happened, and `now`. Only the drivers below [`Handset`] open sockets, start threads and read clocks.
//!
//! **The one contract.** Reading from the phone never waits for a consumer: queues are bounded, a full one drops up to the
//! next key picture, and every loss is counted. **What it never does.** It decodes nothing, injects no input into the phone,
//! keeps no clipboard, opens no port, and ends no adb server.
//!
//! # Example
//!
//! ```
//! use lsie_handset::scrcpy::{Codec, Dialect, ParserSettings, StreamEvent, StreamKind, StreamParser};
//!
//! let mut parser = StreamParser::new(ParserSettings { dialect: Dialect::B, kind: StreamKind::Audio, is_first: false });
//! parser.push(b"\0raw\0\0\0\0\0\0\x03\xe8\0\0\0\x04");
//! assert_eq!(parser.poll(0)?, Some(StreamEvent::Codec(Codec::Raw)));
//! assert_eq!(parser.poll(0)?, None);
//! parser.push(&[1, 0, 2, 0]);
//! assert!(matches!(parser.poll(0)?, Some(StreamEvent::Packet(_))));
//! # Ok::<(), lsie_handset::scrcpy::FramingError>(())
//! ```

pub mod adb;
pub mod clock;
mod driver;
mod error;
mod inbox;
mod media;
pub mod recording;
pub mod scrcpy;
pub mod session;
#[cfg(feature = "simulator")]
pub mod simulator;

pub use driver::{
    BoundedQueue, DeviceTracker, Handset, HandsetConfig, HandsetEvent, HandsetStatus,
    HandsetStreams, TrackedDevices, VideoQueue,
};
pub use error::HandsetError;
pub use media::{AccessUnit, AudioBlock, AudioContent, MAX_LIVE_AGE_NS, StreamCounters, UnitFlags};
