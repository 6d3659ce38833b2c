//! The `Device` trait: where buffers and streams come from.

use std::collections::BTreeMap;

use crate::buffer::Buffer;
use crate::error::DeviceError;
use crate::kind::DeviceInfo;
use crate::lent::{LentMemory, NativeContext};
use crate::stream::Stream;
use crate::transfer::Transfers;

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

    /// Counts the launches of each kernel since the device was opened, by the name of its entry point.
    fn launches(&self) -> BTreeMap<&'static str, u64>;

    /// Major and minor number of what an NVIDIA GPU can do, 8 and 9 for an Ada; `None` on every other device.
    fn compute_capability(&self) -> Option<(u32, u32)> {
        None
    }

    /// The driver's context in which this device works; `None` where there is none to share.
    fn native_context(&self) -> Option<NativeContext> {
        None
    }

    /// A buffer over memory that another library owns, such as a decoder's surface. Nothing is copied, and nothing crosses between
    /// host and device. [`DeviceError::Rejected`] on devices without a context to share.
    ///
    /// # Safety
    /// The memory is one piece of [`Device::native_context`]'s, written to the end, readable and unchanged until its owner is dropped.
    #[expect(unsafe_code, reason = "the caller vouches for the memory")]
    unsafe fn borrow_memory(&self, memory: LentMemory, label: &str) -> Result<Buffer, DeviceError> {
        drop(memory);
        Err(DeviceError::Rejected {
            what: label.to_owned(),
            detail: format!("the {} device takes no memory of others", self.info().kind),
        })
    }

    /// Fails from the moment on at which the device is lost. Asks nobody: it tells what was seen by other calls.
    fn check(&self) -> Result<(), DeviceError>;
}
