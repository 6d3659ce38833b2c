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
    /// There are devices of this kind, but not so many.
    NoSuchNumber,
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            UnavailableReason::NoHardware => "no hardware or driver was found",
            UnavailableReason::NotInThisBuild => "this build does not contain it",
            UnavailableReason::NoSuchNumber => "there are fewer devices of this kind",
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

/// Looks at every kind of device, in the order cpu, wgpu, cuda: a line for each device found, or one that says why there is
/// none of its kind. Opens nothing and never fails; asking the drivers may take some hundred milliseconds.
pub fn probe() -> Vec<DeviceReport> {
    [DeviceKind::Cpu, DeviceKind::Wgpu, DeviceKind::Cuda]
        .into_iter()
        .flat_map(reports)
        .collect()
}

/// Opens the first device of this kind, or says why not. Never opens another kind instead.
pub fn open(kind: DeviceKind) -> Result<Arc<dyn Device>, DeviceError> {
    open_nth(kind, 0)
}

/// Opens device number `index` of this kind, counted as [`probe`] counts, or says why not.
pub fn open_nth(kind: DeviceKind, index: usize) -> Result<Arc<dyn Device>, DeviceError> {
    match kind {
        DeviceKind::Cpu if index == 0 => Ok(Arc::new(CpuDevice::new())),
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => Ok(Arc::new(crate::wgpu::WgpuDevice::open(index)?)),
        _ => Err(absent(kind, index, usize::from(kind == DeviceKind::Cpu))),
    }
}

fn reports(kind: DeviceKind) -> Vec<DeviceReport> {
    let found = match kind {
        DeviceKind::Cpu => vec![cpu_info()],
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => crate::wgpu::adapters(),
        _ => Vec::new(),
    };
    if found.is_empty() {
        let (reason, how_to_get) = why_absent(kind);
        return vec![DeviceReport::Unavailable {
            kind,
            reason,
            how_to_get,
        }];
    }
    found.into_iter().map(DeviceReport::Found).collect()
}

/// The error for device number `index` where there are only `count` of its kind.
pub(crate) fn absent(kind: DeviceKind, index: usize, count: usize) -> DeviceError {
    let (reason, how_to_get) = if count > 0 {
        let words = format!(
            "{kind}:{index} does not exist, numbers go from 0 to {}",
            count - 1
        );
        (UnavailableReason::NoSuchNumber, words)
    } else {
        why_absent(kind)
    };
    DeviceError::Unavailable {
        kind,
        reason,
        how_to_get,
    }
}

fn why_absent(kind: DeviceKind) -> (UnavailableReason, String) {
    let (is_built, hardware, how_to_get) = match kind {
        DeviceKind::Cpu => (true, "/proc/cpuinfo", "it is always there"),
        DeviceKind::Wgpu => (
            cfg!(feature = "wgpu"),
            "/dev/dri",
            "the cpu device does all work; a GPU through Vulkan needs its driver (Debian: mesa-vulkan-drivers and libvulkan1, or the \
             maker's own) and a build with the wgpu device",
        ),
        DeviceKind::Cuda => (
            false,
            "/dev/nvidiactl",
            "the cpu device does all work; an NVIDIA GPU needs its driver and a build with the cuda device",
        ),
    };
    let reason = if !is_built && Path::new(hardware).exists() {
        UnavailableReason::NotInThisBuild
    } else {
        UnavailableReason::NoHardware
    };
    (reason, how_to_get.to_owned())
}
