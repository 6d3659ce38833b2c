//! What this machine and this build can compute on.

use std::path::PathBuf;
use std::sync::Arc;

use crate::absent::{Absence, beyond};
#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
use crate::absent::{absent, not_built};
use crate::cpu::{CpuDevice, cpu_info};
use crate::device::Device;
use crate::error::{DeviceError, UnavailableReason};
use crate::kind::{DeviceInfo, DeviceKind};

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
    open_with(kind, index, &OpenSettings::default())
}

/// What the user chose about devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenSettings {
    /// Folder that keeps kernels compiled for `cuda` between runs; without one they are compiled at every start.
    pub kernel_cache: Option<PathBuf>,
}

/// As [`open_nth`], with settings.
pub fn open_with(
    kind: DeviceKind,
    index: usize,
    settings: &OpenSettings,
) -> Result<Arc<dyn Device>, DeviceError> {
    #[cfg(not(feature = "cuda"))]
    let _ = settings;
    match kind {
        DeviceKind::Cpu if index == 0 => Ok(Arc::new(CpuDevice::new())),
        DeviceKind::Cpu => Err(beyond(kind, index, 1)),
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => Ok(Arc::new(crate::wgpu::WgpuDevice::open(index)?)),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => Ok(Arc::new(crate::cuda::CudaDevice::open(
            index,
            settings.kernel_cache.clone(),
        )?)),
        #[cfg(not(all(feature = "wgpu", feature = "cuda")))]
        _ => Err(absent(kind, not_built(kind))),
    }
}

fn reports(kind: DeviceKind) -> Vec<DeviceReport> {
    match found(kind) {
        Ok(infos) => infos.into_iter().map(DeviceReport::Found).collect(),
        Err((reason, how_to_get)) => vec![DeviceReport::Unavailable {
            kind,
            reason,
            how_to_get,
        }],
    }
}

/// The devices of a kind, at least one, or why there is none.
fn found(kind: DeviceKind) -> Result<Vec<DeviceInfo>, Absence> {
    match kind {
        DeviceKind::Cpu => Ok(vec![cpu_info()]),
        #[cfg(feature = "wgpu")]
        DeviceKind::Wgpu => crate::wgpu::adapters(),
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => crate::cuda::devices(),
        #[cfg(not(all(feature = "wgpu", feature = "cuda")))]
        _ => Err(not_built(kind)),
    }
}
