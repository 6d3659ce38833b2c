//! What can go wrong with a device.

use std::fmt;

use crate::kind::DeviceKind;

/// Why a device cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnavailableReason {
    /// This build has no code for it.
    NotInThisBuild,
    /// Its driver's library is not there.
    NoDriver,
    /// The driver is there, but older than this build can use, or it does not start.
    DriverUnusable,
    /// The driver is there, the hardware is not; where a driver and its hardware cannot be told apart, neither was seen.
    NoHardware,
    /// The library that compiles kernels for it is not there.
    NoCompiler,
    /// There are devices of this kind, but not so many.
    NoSuchNumber,
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            UnavailableReason::NotInThisBuild => "this build does not contain it",
            UnavailableReason::NoDriver => "its driver is not installed",
            UnavailableReason::DriverUnusable => "its driver cannot be used",
            UnavailableReason::NoHardware => "no hardware was found",
            UnavailableReason::NoCompiler => "the compiler for its kernels is not installed",
            UnavailableReason::NoSuchNumber => "there are fewer devices of this kind",
        })
    }
}

/// A device refused. The variants say what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The device is not there. Pick another one, or follow `how_to_get`.
    #[error("{kind} device unavailable: {reason}; {how_to_get}")]
    Unavailable {
        /// The device that was asked for.
        kind: DeviceKind,
        /// Why it is not there.
        reason: UnavailableReason,
        /// One sentence for the operator.
        how_to_get: String,
    },
    /// The device has no room. Use fewer or smaller buffers.
    #[error("no memory for {bytes} bytes ({label})")]
    OutOfMemory {
        /// How many bytes were asked for.
        bytes: usize,
        /// What they were for.
        label: String,
    },
    /// A transfer or a launch would leave the buffer. The caller's sizes are wrong.
    #[error(
        "{bytes} bytes at offset {offset_bytes} do not fit the {buffer_bytes} bytes of {label}"
    )]
    OutOfBounds {
        /// First byte that was asked for.
        offset_bytes: usize,
        /// How many bytes were asked for.
        bytes: usize,
        /// How many bytes the buffer has.
        buffer_bytes: usize,
        /// The buffer's label.
        label: String,
    },
    /// The device is gone: unplugged, reset, or its driver ended. Open a device again; what was on it is lost.
    #[error("{kind} device lost: {detail}")]
    Lost {
        /// The device.
        kind: DeviceKind,
        /// The driver's words.
        detail: String,
    },
    /// The driver failed at something that should work. Worth one more try on a new stream.
    #[error("{kind} device failed: {detail}")]
    Failed {
        /// The device.
        kind: DeviceKind,
        /// The driver's words.
        detail: String,
    },
    /// A kernel's text or a launch does not suit the device. A programming error.
    #[error("{what} was refused: {detail}")]
    Rejected {
        /// The kernel or the object.
        what: String,
        /// The compiler's or the driver's words.
        detail: String,
    },
    /// A buffer or stream of one device was used with another one. A programming error.
    #[error("a {found} buffer was used on a {wanted} stream")]
    WrongDevice {
        /// The device of the stream.
        wanted: DeviceKind,
        /// The device of the buffer.
        found: DeviceKind,
    },
}
