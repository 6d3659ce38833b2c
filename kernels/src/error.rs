//! Why a launch was refused.

use lsie_device::{DeviceError, DeviceKind};

/// A launch was refused before any work was done. Every variant is a fault of the caller, except [`KernelError::Device`] and
/// [`KernelError::NoVersion`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KernelError {
    /// The device refused, or a buffer of another device was given.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A buffer has the wrong size for its role.
    #[error("{what} needs {wanted_bytes} bytes, the buffer has {found_bytes}")]
    Size {
        /// The role of the buffer.
        what: &'static str,
        /// Bytes that the launch needs.
        wanted_bytes: usize,
        /// Bytes that the buffer has.
        found_bytes: usize,
    },
    /// This kernel has no version for the device yet. Launch it on the `cpu` device.
    #[error("this kernel has no version for the {kind} device")]
    NoVersion {
        /// The device.
        kind: DeviceKind,
    },
    /// A parameter is NaN or infinite.
    #[error("{what} is not finite")]
    NotFinite {
        /// The parameter.
        what: &'static str,
    },
    /// A parameter or an index is outside its range.
    #[error("{what} is out of range")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
    },
}
