//! The `Device` trait and the `Stream` that orders its work.

use std::fmt;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::error::DeviceError;
use crate::transfer::Transfers;

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
    /// The name its maker gave it.
    pub name: String,
    /// How many things it does at once: hardware threads of a CPU, multiprocessors of a GPU.
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
    kind: DeviceKind,
}

impl Stream {
    pub(crate) fn new(kind: DeviceKind, name: &str) -> Self {
        Stream {
            inner: Arc::new(StreamInner {
                name: name.to_owned(),
                kind,
            }),
        }
    }

    /// The name given at creation.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The kind of the device whose queue this is.
    pub fn kind(&self) -> DeviceKind {
        self.inner.kind
    }

    /// Waits until everything launched so far is done. Belongs to the hop, never into a kernel's launcher.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}
