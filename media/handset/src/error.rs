//! What can go wrong between us and the phone.

use std::io;

use thiserror::Error;

use crate::adb::AdbError;
use crate::scrcpy::{FramingError, JarError, OptionError};

/// One failure, by what the caller can do about it.
#[derive(Debug, Error)]
pub enum HandsetError {
    /// The adb port refuses: start the server, or install adb.
    #[error("no adb server answers at {address}")]
    NoServer {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The adb server or the device said no, with its words.
    #[error("adb refused {service}: {message}")]
    Refused {
        /// What was asked for.
        service: String,
        /// Its words.
        message: String,
    },
    /// Bytes outside the protocol.
    #[error(transparent)]
    Protocol(#[from] AdbError),
    /// A media stream broke its framing.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// The connection broke or took too long.
    #[error("{during} failed")]
    Io {
        /// What was going on.
        during: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The device refused a file, with its words.
    #[error("the phone refused {path}: {message}")]
    PushRefused {
        /// Where it should have gone.
        path: String,
        /// Its words.
        message: String,
    },
    /// The settings make no option line.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// There is no usable server jar.
    #[error(transparent)]
    Jar(#[from] JarError),
    /// The adb program could not be run.
    #[error("{program} could not be run")]
    Program {
        /// Which.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The adb program ran and failed.
    #[error("{0} start-server failed")]
    StartFailed(String),
}

impl HandsetError {
    pub(crate) fn io(during: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { during, source }
    }
}
