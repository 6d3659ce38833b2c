//! The `Device` trait and the `Stream` that orders its work.

use std::fmt;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::error::DeviceError;
use crate::launch::{Launch, MAX_GROUP_THREADS, MAX_PARAMS_BYTES};
use crate::transfer::Transfers;
#[cfg(feature = "wgpu")]
use crate::wgpu::WgpuLane;

/// Most groups of a launch in one direction: what every implementation offers.
const MAX_GROUPS: u32 = 65_535;

/// The kinds of device the project knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// The processor: the reference, always there.
    Cpu,
    /// Any GPU through wgpu.
    Wgpu,
    /// An NVIDIA GPU through the CUDA driver.
    Cuda,
}

impl DeviceKind {
    /// Lower-case name, as the configuration and the reports spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Wgpu => "wgpu",
            DeviceKind::Cuda => "cuda",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number among the devices of its kind, from 0: the `n` of `wgpu:n`.
    pub index: usize,
    /// The name its maker gave it.
    pub name: String,
    /// Interface and driver with version; empty for the processor.
    pub driver: String,
    /// A GPU's interface that the processor computes: right, and slow.
    pub is_software: bool,
    /// How many things it does at once: hardware threads of a CPU, multiprocessors of a GPU; 0 where the driver does not say.
    pub parallelism: usize,
}

/// A place that computes. Cheap to share (`Arc<dyn Device>`); everything it hands out stays valid after it is dropped.
pub trait Device: Send + Sync {
    /// Says what it is.
    fn info(&self) -> &DeviceInfo;

    /// Allocates `bytes` zeroed bytes, aligned to 64 bytes or better. For start-up, not for the frame path.
    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError>;

    /// Makes a queue of work with a name for traces. Work on one stream runs in order; between streams there is no order.
    fn stream(&self, name: &str) -> Result<Stream, DeviceError>;

    /// Counts what has crossed between host and device since the device was opened.
    fn transfers(&self) -> Transfers;
}

/// A queue of work on one device. A clone is the same queue.
///
/// On the `cpu` device a launch runs on the calling thread and is done when it returns.
#[derive(Debug, Clone)]
pub struct Stream {
    inner: Arc<StreamInner>,
}

#[derive(Debug)]
struct StreamInner {
    name: String,
    lane: Lane,
}

/// The device's side of a stream. A variant per device that this build has.
#[derive(Debug)]
enum Lane {
    Cpu,
    #[cfg(feature = "wgpu")]
    Wgpu(WgpuLane),
}

impl Stream {
    fn new(lane: Lane, name: &str) -> Self {
        Stream {
            inner: Arc::new(StreamInner {
                name: name.to_owned(),
                lane,
            }),
        }
    }

    pub(crate) fn on_cpu(name: &str) -> Self {
        Stream::new(Lane::Cpu, name)
    }

    #[cfg(feature = "wgpu")]
    pub(crate) fn on_wgpu(lane: WgpuLane, name: &str) -> Self {
        Stream::new(Lane::Wgpu(lane), name)
    }

    #[cfg(feature = "wgpu")]
    pub(crate) fn wgpu(&self) -> Option<&WgpuLane> {
        match &self.inner.lane {
            Lane::Wgpu(lane) => Some(lane),
            Lane::Cpu => None,
        }
    }

    /// The name given at creation.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The kind of the device whose queue this is.
    pub fn kind(&self) -> DeviceKind {
        match self.inner.lane {
            Lane::Cpu => DeviceKind::Cpu,
            #[cfg(feature = "wgpu")]
            Lane::Wgpu(_) => DeviceKind::Wgpu,
        }
    }

    /// Waits until everything launched so far is done. Belongs to the hop, never into a kernel's launcher.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        match &self.inner.lane {
            Lane::Cpu => Ok(()),
            #[cfg(feature = "wgpu")]
            Lane::Wgpu(lane) => lane.synchronize(),
        }
    }

    /// Queues a kernel that is text, compiled at its first use. Waits for nothing, allocates no device memory.
    ///
    /// Every buffer must be of this stream's device. Fails on the `cpu` device, which runs no text.
    pub fn launch(&self, launch: &Launch<'_>) -> Result<(), DeviceError> {
        for argument in launch.arguments {
            argument.buffer().check_stream(self)?;
        }
        let source = launch.source;
        let threads: u32 = source.group.iter().product();
        let is_possible = (1..=MAX_GROUP_THREADS).contains(&threads)
            && (4..=MAX_PARAMS_BYTES).contains(&launch.params.len())
            && launch.params.len().is_multiple_of(4)
            && launch.arguments.len() == source.arguments
            && launch.groups.iter().all(|groups| *groups <= MAX_GROUPS);
        if !is_possible {
            return Err(DeviceError::Rejected {
                what: source.name.to_owned(),
                detail: "group size, groups, parameters or arguments are out of range".to_owned(),
            });
        }
        if launch.groups.contains(&0) {
            return Ok(());
        }
        match &self.inner.lane {
            Lane::Cpu => Err(DeviceError::Rejected {
                what: source.name.to_owned(),
                detail: "the cpu device runs no text".to_owned(),
            }),
            #[cfg(feature = "wgpu")]
            Lane::Wgpu(lane) => lane.launch(launch),
        }
    }

    /// Nanoseconds of the last launch by the device's own clock; `None` where there is no clock or was no launch. Waits for
    /// the device: for benches, not for the frame path.
    pub fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        match &self.inner.lane {
            Lane::Cpu => Ok(None),
            #[cfg(feature = "wgpu")]
            Lane::Wgpu(lane) => lane.last_launch_ns(),
        }
    }

    /// The driver's own handle of this queue as a number, on `cuda` a `CUstream`; `None` where the driver has none. It is for
    /// libraries that queue their work here, and stays valid while this stream lives.
    pub fn raw_handle(&self) -> Option<usize> {
        None
    }
}
