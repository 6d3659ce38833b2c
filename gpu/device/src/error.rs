//! What can go wrong with a device, and with the shape of a frame.

use crate::device::DeviceKind;
use crate::layout::PixelFormat;
use crate::probe::UnavailableReason;

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

/// The description of a frame does not fit its pixels. The source that made it is at fault; drop the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is zero or above [`crate::MAX_FRAME_SIDE_PX`].
    #[error("a frame of {width}x{height} is not possible")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Rows of a plane overlap: the pitch is below the bytes of one row.
    #[error(
        "plane {plane} of {format:?} has a pitch of {pitch_bytes} bytes, a row needs {row_bytes}"
    )]
    Pitch {
        /// The pixel format.
        format: PixelFormat,
        /// Index of the plane.
        plane: usize,
        /// The given pitch.
        pitch_bytes: usize,
        /// The least pitch.
        row_bytes: usize,
    },
    /// A plane ends beyond its slot.
    #[error("plane {plane} of {format:?} ends at byte {end_bytes}, the slot has {slot_bytes}")]
    BeyondSlot {
        /// The pixel format.
        format: PixelFormat,
        /// Index of the plane.
        plane: usize,
        /// One past the last byte of the plane (saturated).
        end_bytes: usize,
        /// Bytes of the slot.
        slot_bytes: usize,
    },
}
