//! Memory of a device that another library owns, and the context that the two share.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// The driver's context in which a device works, for libraries that must work in the same one.
#[derive(Clone)]
pub struct NativeContext {
    /// The driver's handle, on `cuda` a `CUcontext`.
    pub handle: NonZeroUsize,
    /// The driver's number of the device, on `cuda` a `CUdevice`.
    pub ordinal: i32,
    /// The handle is valid for as long as this lives.
    pub owner: Arc<dyn Any + Send + Sync>,
}

/// Memory that another library owns.
#[derive(Debug)]
pub struct LentMemory {
    /// First byte, in the address space of the device's context.
    pub address: u64,
    /// Bytes from there on.
    pub bytes: usize,
    /// Dropped with the buffer, before which the memory stays readable and as it is.
    pub owner: Box<dyn Any + Send + Sync>,
}
