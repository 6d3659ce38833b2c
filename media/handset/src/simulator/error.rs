//! What can go wrong with a phone that is none.

use std::io;

use thiserror::Error;

/// One failure of the simulator, by what the caller can do about it.
#[derive(Debug, Error)]
pub enum SimulatorError {
    /// The adb program is not installed.
    #[error("adb is not installed (Debian: apt-get install adb)")]
    NoAdb,
    /// The adb program ran and failed.
    #[error("adb {0} failed")]
    AdbFailed(String),
    /// No adb server answers: `adb start-server`.
    #[error("no adb server answers on port {port}")]
    NoAdbServer {
        /// Where.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// Every odd loopback port that was tried is taken.
    #[error("no odd loopback port is free")]
    NoOddPort,
    /// No clip of this size is built in.
    #[error("no clip of {width}x{height} is built in")]
    NoClip {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// These bytes are no H.264 byte stream that begins with its parameter sets.
    #[error("not a film: {0}")]
    NotAFilm(&'static str),
    /// This is no fault that the phone can have.
    #[error("{text:?} is no fault: {reason}")]
    BadFault {
        /// What was said.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something of the operating system failed.
    #[error("{during} failed")]
    Io {
        /// What was going on.
        during: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl SimulatorError {
    pub(super) fn io(during: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { during, source }
    }
}
