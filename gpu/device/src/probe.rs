//! What this machine and this build can compute on.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::cpu::{CpuDevice, cpu_info};
use crate::device::{Device, DeviceInfo, DeviceKind};
use crate::error::DeviceError;

/// Why a device cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnavailableReason {
    /// No such hardware, or no driver for it, was seen.
    NoHardware,
    /// The hardware seems to be there, but this build has no code for it.
    NotInThisBuild,
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            UnavailableReason::NoHardware => "no hardware or driver was found",
            UnavailableReason::NotInThisBuild => "this build does not contain it",
        })
    }
}

/// One line of [`probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceReport {
    /// It can be opened.
    Found(DeviceInfo),
    /// It cannot be opened.
    Unavailable {
        /// Which device.
        kind: DeviceKind,
        /// Why not.
        reason: UnavailableReason,
        /// One sentence for the operator.
        how_to_get: String,
    },
}

/// Looks at every kind of device, in the order cpu, wgpu, cuda. Opens nothing and never fails.
pub fn probe() -> Vec<DeviceReport> {
    [DeviceKind::Cpu, DeviceKind::Wgpu, DeviceKind::Cuda]
        .map(report)
        .into()
}

/// Opens the device of this kind, or says why not. Never opens another kind instead.
pub fn open(kind: DeviceKind) -> Result<Arc<dyn Device>, DeviceError> {
    match report(kind) {
        DeviceReport::Found(_) => Ok(Arc::new(CpuDevice::new())),
        DeviceReport::Unavailable {
            kind,
            reason,
            how_to_get,
        } => Err(DeviceError::Unavailable {
            kind,
            reason,
            how_to_get,
        }),
    }
}

fn report(kind: DeviceKind) -> DeviceReport {
    match kind {
        DeviceKind::Cpu => DeviceReport::Found(cpu_info()),
        DeviceKind::Wgpu => unavailable(
            kind,
            Path::new("/dev/dri").exists(),
            "the cpu device does all work; a GPU through Vulkan needs a build with the wgpu device",
        ),
        DeviceKind::Cuda => unavailable(
            kind,
            Path::new("/dev/nvidiactl").exists(),
            "the cpu device does all work; an NVIDIA GPU needs its driver and a build with the cuda device",
        ),
    }
}

fn unavailable(kind: DeviceKind, is_hardware_seen: bool, how_to_get: &str) -> DeviceReport {
    let reason = if is_hardware_seen {
        UnavailableReason::NotInThisBuild
    } else {
        UnavailableReason::NoHardware
    };
    DeviceReport::Unavailable {
        kind,
        reason,
        how_to_get: how_to_get.to_owned(),
    }
}
