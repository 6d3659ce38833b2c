//! A phone that is none: adb's device side on a loopback port, behind the genuine adb server (device 8).
//!
//! ```text
//! product ──▶ adb server ──▶ Phone: wire ─▶ transport ─▶ services ─▶ scrcpy model ─▶ film
//!             [`AdbServer`]         faults and clock steps are injected while it runs, the truth is kept for the test
//! ```

mod adb_server;
mod clock;
mod device;
mod film;
mod scrcpy;
mod services;
mod transport;
mod wire;

pub use adb_server::AdbServer;
pub use clock::PhoneClock;
pub use device::{Exit, Phone, PhoneSettings, VideoFault};
pub use film::{Film, Unit};
