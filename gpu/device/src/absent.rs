//! Why a device is not there, in words for the operator.

use crate::error::{DeviceError, UnavailableReason};
use crate::kind::DeviceKind;

/// A reason and what to do about it, as one sentence.
pub(crate) type Absence = (UnavailableReason, String);

/// No device of a kind that this build does not know.
#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
pub(crate) fn not_built(kind: DeviceKind) -> Absence {
    let words = format!("use a build with the {kind} device; the cpu device does all work");
    (UnavailableReason::NotInThisBuild, words)
}

/// No adapter that wgpu can open.
#[cfg(feature = "wgpu")]
pub(crate) fn no_adapter() -> Absence {
    let words = "the cpu device does all work; a GPU through Vulkan needs its driver (Debian: mesa-vulkan-drivers and libvulkan1, or \
                 the maker's own)";
    (UnavailableReason::NoHardware, words.to_owned())
}

/// The error of a device that is not there.
pub(crate) fn absent(kind: DeviceKind, (reason, how_to_get): Absence) -> DeviceError {
    DeviceError::Unavailable {
        kind,
        reason,
        how_to_get,
    }
}

/// The error for device number `index` where there are only `count` of its kind, at least one.
pub(crate) fn beyond(kind: DeviceKind, index: usize, count: usize) -> DeviceError {
    let words = format!(
        "{kind}:{index} does not exist, numbers go from 0 to {}",
        count.saturating_sub(1)
    );
    absent(kind, (UnavailableReason::NoSuchNumber, words))
}
