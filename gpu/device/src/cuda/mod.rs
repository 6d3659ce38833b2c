//! NVIDIA GPUs through their driver, and kernels compiled at run time.
//!
//! Driver and compiler are libraries that are opened when they are first asked for; that they are absent is an answer, never a
//! panic. Work goes to the device's primary context, the one that other libraries of the process use too. A fault that ruins a
//! context (an access outside memory, say) is [`DeviceError::Lost`] from then on: CUDA needs a new process after it.

mod cache;
mod context;
mod driver;
mod graph;
mod image;
mod lane;
mod memory;
mod nvrtc;
mod resources;
mod staging;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::absent::{Absence, absent, beyond};
use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::DeviceError;
use crate::kind::{DeviceInfo, DeviceKind};
use crate::lent::{LentMemory, NativeContext};
use crate::stream::Stream;
use crate::transfer::Transfers;
use context::Context;
pub use image::Image;
use lane::CudaLane;
use memory::CudaMemory;
pub use nvrtc::{Compiled, Compiler, Target};
pub use resources::KernelResources;

/// An NVIDIA GPU. A clone of its streams and buffers keeps it open.
#[derive(Debug)]
pub struct CudaDevice {
    info: DeviceInfo,
    context: Arc<Context>,
}

impl CudaDevice {
    /// Opens device number `index` of [`probe`](crate::probe), in the driver's order. With a folder in `kernel_cache` compiled
    /// kernels are kept there between runs; a file of it that is damaged or of another version is compiled again.
    pub fn open(index: usize, kernel_cache: Option<PathBuf>) -> Result<Self, DeviceError> {
        let mut found = devices().map_err(|absence| absent(DeviceKind::Cuda, absence))?;
        if index >= found.len() {
            return Err(beyond(DeviceKind::Cuda, index, found.len()));
        }
        let info = found.swap_remove(index);
        let compiler = Compiler::open()?;
        Ok(CudaDevice {
            context: Context::open(index, compiler, kernel_cache)?,
            info,
        })
    }
}

impl Device for CudaDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        let memory = CudaMemory::new(&self.context, bytes, label)?;
        let counters = Arc::clone(self.context.counters());
        Ok(Buffer::of_device(memory, bytes, label, counters))
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        let counters = Arc::clone(self.context.counters());
        Ok(Stream::new(CudaLane::new(&self.context)?, name, counters))
    }

    fn transfers(&self) -> Transfers {
        self.context.counters().snapshot()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.context.counters().launches()
    }

    fn compute_capability(&self) -> Option<(u32, u32)> {
        let number = self.context.capability();
        Some((number / 10, number % 10))
    }

    fn native_context(&self) -> Option<NativeContext> {
        Context::native(&self.context)
    }

    #[expect(unsafe_code, reason = "the caller vouches for the memory")]
    unsafe fn borrow_memory(&self, memory: LentMemory, label: &str) -> Result<Buffer, DeviceError> {
        let bytes = memory.bytes;
        let counters = Arc::clone(self.context.counters());
        let memory = CudaMemory::lent(&self.context, memory);
        Ok(Buffer::of_device(memory, bytes, label, counters))
    }

    fn check(&self) -> Result<(), DeviceError> {
        self.context.check_lost()
    }
}

/// Every GPU that can be opened, in the driver's order, or why there is none.
pub(crate) fn devices() -> Result<Vec<DeviceInfo>, Absence> {
    let version = driver::version()?;
    let compiler = nvrtc::version()?;
    driver::suits(version, compiler)?;
    driver::enumerate(version, compiler)
}
