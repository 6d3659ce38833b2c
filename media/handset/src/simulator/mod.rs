//! A phone that is none: adb's device side on a loopback port, behind the genuine adb server (device 8).
//!
//! ```text
//! product ──▶ adb server ──▶ Phone: wire ─▶ transport ─▶ services ─▶ scrcpy model ─▶ film or recording
//!             [`AdbServer`]         faults and clock steps are injected while it runs, the truth is kept for the test
//! ```
//!
//! `lsie simulate-phone` and the tests are its users. What it cannot show: a real encoder, real USB timing, camera policy and
//! what vendors do. A recording of a real phone ([`crate::recording`]) brings its timing and its bytes.

mod adb_server;
mod clock;
mod device;
mod error;
mod film;
mod link;
mod replay;
mod scrcpy;
mod script;
mod services;
mod streams;
mod transport;
mod wire;

pub use adb_server::{AdbServer, attach};
pub use clock::PhoneClock;
pub use device::{Exit, Phone, PhoneSettings, VideoFault};
pub use error::SimulatorError;
pub use film::{Film, Unit};
pub use link::LinkModel;
pub use script::{Fault, TimedFault, play};
