//! Device memory of a CUDA device.

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::any::Any;
use std::sync::Arc;

use cudarc::driver::result::{self, stream};
use cudarc::driver::sys::CUdeviceptr;

use super::context::Context;
use crate::backend::Memory;
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::lent::LentMemory;

/// Sizes are rounded up to it, so that kernels may read whole words of any type.
const UNIT_BYTES: usize = 256;

/// One allocation, zeroed at birth, or memory that another library owns.
#[derive(Debug)]
pub(super) struct CudaMemory {
    address: CUdeviceptr,
    /// Who frees it, where that is not this.
    owner: Option<Box<dyn Any + Send + Sync>>,
    context: Arc<Context>,
}

impl CudaMemory {
    /// Allocates and waits for the zeros: for start-up, not for the frame path.
    pub(super) fn new(
        context: &Arc<Context>,
        bytes: usize,
        label: &str,
    ) -> Result<Self, DeviceError> {
        context.bind()?;
        let size = bytes
            .max(1)
            .checked_next_multiple_of(UNIT_BYTES)
            .filter(|size| *size <= context.total_bytes())
            .ok_or_else(|| DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            })?;
        // SAFETY: a context is bound.
        let allocated = unsafe { result::malloc_sync(size) };
        let memory = CudaMemory {
            address: context.check(allocated, bytes, label)?,
            owner: None,
            context: Arc::clone(context),
        };
        // SAFETY: the allocation has `size` bytes and nobody else knows it.
        let zeroed = unsafe { result::memset_d8_sync(memory.address, 0, size) };
        context.check(zeroed, bytes, label)?;
        // Our streams do not wait for the default one, on which the zeros are written.
        // SAFETY: the default stream is always there.
        let waited = unsafe { stream::synchronize(stream::null()) };
        context.check(waited, bytes, label)?;
        Ok(memory)
    }

    /// Memory of the context that another library owns.
    pub(super) fn lent(context: &Arc<Context>, memory: LentMemory) -> Self {
        CudaMemory {
            address: memory.address,
            owner: Some(memory.owner),
            context: Arc::clone(context),
        }
    }

    pub(super) fn is_of(&self, context: &Arc<Context>) -> bool {
        Arc::ptr_eq(&self.context, context)
    }

    pub(super) fn address(&self) -> CUdeviceptr {
        self.address
    }
}

impl Drop for CudaMemory {
    fn drop(&mut self) {
        if self.owner.is_none() && self.context.bind().is_ok() {
            // SAFETY: allocated in `new` and freed once. The driver waits for what still uses it.
            let _ = unsafe { result::free_sync(self.address) };
        }
    }
}

impl Memory for CudaMemory {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Cuda
    }

    fn raw_address(&self) -> Option<u64> {
        Some(self.address)
    }
}
