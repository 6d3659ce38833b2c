//! What a device brings along: its side of a stream and of a buffer. A new device is these two traits and [`crate::Device`].

#![cfg_attr(
    not(feature = "executor"),
    expect(
        dead_code,
        reason = "real devices know by themselves what a kernel writes, and the cpu runs no text"
    )
)]

use std::any::Any;
use std::fmt::Debug;

use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::source::KernelSource;

/// A launch whose sizes have been checked; no count of groups is 0.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    /// What runs.
    pub(crate) source: &'static KernelSource,
    /// Groups in x, y, z.
    pub(crate) groups: [u32; 3],
    /// Copied before the launch returns.
    pub(crate) params: &'a [u8],
    /// All of the lane's device.
    pub(crate) memories: &'a [Operand<'a>],
}

/// One buffer of a launch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a> {
    /// Where its bytes are.
    pub(crate) memory: &'a dyn Memory,
    /// Whether the kernel may write to it.
    pub(crate) is_output: bool,
}

/// The device's side of a stream, and the only one to reach into its memory. Ranges have been checked.
pub(crate) trait Lane: Any + Debug + Send + Sync {
    fn kind(&self) -> DeviceKind;
    fn launch(&self, work: &Work<'_>) -> Result<(), DeviceError>;
    fn synchronize(&self) -> Result<(), DeviceError>;

    /// Whether memory is of this lane's device.
    fn owns(&self, memory: &dyn Memory) -> bool;

    /// Queues a copy from the host; `bytes` are free when it returns.
    fn upload(&self, to: &dyn Memory, offset_bytes: usize, bytes: &[u8])
    -> Result<(), DeviceError>;

    /// Copies to the host and waits for everything queued.
    fn copy_to_host(
        &self,
        from: &dyn Memory,
        offset_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError>;

    /// Queues a copy of whole words (4 bytes) to the beginning of other memory.
    fn copy(
        &self,
        from: &dyn Memory,
        from_bytes: usize,
        to: &dyn Memory,
        bytes: usize,
    ) -> Result<(), DeviceError>;

    fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        Ok(None)
    }

    fn raw_handle(&self) -> Option<usize> {
        None
    }

    /// Marks the end of what is queued. A lane without marks waits for it.
    fn mark(&self) -> Result<Box<dyn Passed>, DeviceError> {
        self.synchronize()?;
        Ok(Box::new(Done))
    }

    /// Where the device can record launches and play them again.
    fn recorder(&self) -> Option<&dyn Recorder> {
        None
    }

    /// Where the device copies several values to the host with one wait.
    fn reader(&self) -> Option<&dyn Reader> {
        None
    }
}

/// A mark in a lane.
pub(crate) trait Passed: Debug + Send {
    fn is_reached(&self) -> bool;
    fn wait(&self);
}

/// The mark behind work that was waited for.
#[derive(Debug)]
struct Done;

impl Passed for Done {
    fn is_reached(&self) -> bool {
        true
    }

    fn wait(&self) {}
}

/// The device's side of a buffer.
pub(crate) trait Memory: Any + Debug + Send + Sync {
    fn kind(&self) -> DeviceKind;

    fn raw_address(&self) -> Option<u64> {
        None
    }
}

/// The beginning of some memory, and where on the host it goes.
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda")),
    expect(dead_code, reason = "these devices read several values at once")
)]
pub(crate) struct Fetch<'a> {
    pub(crate) memory: &'a dyn Memory,
    pub(crate) bytes: &'a mut [u8],
}

/// A lane that waits once for several copies to the host.
pub(crate) trait Reader {
    /// Sizes have been checked.
    fn fetch(&self, values: &mut [Fetch<'_>]) -> Result<(), DeviceError>;
}

/// A lane that records.
pub(crate) trait Recorder {
    /// From here on launches are noted instead of run.
    fn begin(&self) -> Result<(), DeviceError>;
    /// Ends the recording and makes it playable. `old` is changed in place where that is possible.
    fn end(&self, old: Option<Box<dyn Tape>>) -> Result<Box<dyn Tape>, DeviceError>;
    /// Ends the recording and throws it away.
    fn abandon(&self);
    /// Queues everything that was recorded, in one call.
    fn replay(&self, tape: &dyn Tape) -> Result<(), DeviceError>;
}

/// What was recorded.
pub(crate) trait Tape: Any + Debug + Send + Sync {}

/// The error for what a lane does not take while it records.
#[cfg_attr(
    not(any(feature = "cuda", feature = "wgpu")),
    expect(dead_code, reason = "these devices record")
)]
pub(crate) fn during_recording(what: &str) -> DeviceError {
    DeviceError::Rejected {
        what: what.to_owned(),
        detail: "the stream is recording, which takes launches and copies on the device only"
            .to_owned(),
    }
}

/// Memory as the type it really is, which is a lane's own; an error where it is another device's than `wanted`.
pub(crate) fn as_memory<T: Memory>(
    memory: &dyn Memory,
    wanted: DeviceKind,
) -> Result<&T, DeviceError> {
    let own = (memory as &dyn Any).downcast_ref();
    own.ok_or(DeviceError::WrongDevice {
        wanted,
        found: memory.kind(),
    })
}
