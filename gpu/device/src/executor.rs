//! A device whose kernels somebody else runs: how tests run CUDA text on a machine without such a GPU.
//!
//! Its memory is the host's, yet it is not the `cpu` device: launchers queue their text on it, with the parameters and buffers
//! that a real device would get.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::{Lane, Memory, Work, as_memory};
use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::DeviceError;
use crate::kind::{DeviceInfo, DeviceKind};
use crate::lent::{LentMemory, NativeContext};
use crate::source::KernelSource;
use crate::stream::Stream;
use crate::transfer::{TransferCounters, Transfers};

/// One launch to run.
#[derive(Debug)]
pub struct Job {
    /// What runs.
    pub source: &'static KernelSource,
    /// Groups in x, y, z; none is 0.
    pub groups: [u32; 3],
    /// The parameters.
    pub params: Vec<u8>,
    /// The buffers, in the order of the text.
    pub buffers: Vec<JobBuffer>,
}

/// A buffer of a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobBuffer {
    /// Its bytes; the executor changes them as the kernel does. None of memory that is lent.
    pub bytes: Vec<u8>,
    /// Where memory that is lent lies; 0 for the device's own. Nobody knows here whether the host may follow it.
    pub lent_at: u64,
    /// Whether the kernel may change them.
    pub is_output: bool,
}

/// Who runs the launches.
pub trait Executor: Debug + Send + Sync {
    /// Runs one launch to its end.
    fn run(&self, job: &mut Job) -> Result<(), DeviceError>;
}

/// A device over an [`Executor`].
#[derive(Debug)]
pub struct ExecutorDevice {
    info: DeviceInfo,
    executor: Arc<dyn Executor>,
    counters: Arc<TransferCounters>,
}

impl ExecutorDevice {
    /// A device of this kind and name.
    pub fn new(kind: DeviceKind, name: &str, executor: Arc<dyn Executor>) -> Self {
        ExecutorDevice {
            info: DeviceInfo {
                kind,
                index: 0,
                name: name.to_owned(),
                driver: "executor".to_owned(),
                features: String::new(),
                is_software: true,
                parallelism: 1,
            },
            executor,
            counters: Arc::new(TransferCounters::default()),
        }
    }
}

impl Device for ExecutorDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn alloc(&self, bytes: usize, label: &str) -> Result<Buffer, DeviceError> {
        let mut content = Vec::new();
        content
            .try_reserve_exact(bytes)
            .map_err(|_| DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            })?;
        content.resize(bytes, 0);
        let memory = ExecutorMemory {
            kind: self.info.kind,
            executor: Arc::clone(&self.executor),
            content: Mutex::new(content),
            lent: None,
        };
        let counters = Arc::clone(&self.counters);
        Ok(Buffer::of_device(memory, bytes, label, counters))
    }

    fn stream(&self, name: &str) -> Result<Stream, DeviceError> {
        let lane = ExecutorLane {
            kind: self.info.kind,
            executor: Arc::clone(&self.executor),
        };
        Ok(Stream::new(lane, name, Arc::clone(&self.counters)))
    }

    fn transfers(&self) -> Transfers {
        self.counters.snapshot()
    }

    fn launches(&self) -> BTreeMap<&'static str, u64> {
        self.counters.launches()
    }

    /// A context that nobody can work in.
    fn native_context(&self) -> Option<NativeContext> {
        Some(NativeContext {
            handle: NonZeroUsize::MIN,
            ordinal: 0,
            owner: Arc::clone(&self.counters) as Arc<dyn Any + Send + Sync>,
        })
    }

    #[expect(
        unsafe_code,
        reason = "as real devices have it; nothing is followed here"
    )]
    unsafe fn borrow_memory(&self, memory: LentMemory, label: &str) -> Result<Buffer, DeviceError> {
        let bytes = memory.bytes;
        let memory = ExecutorMemory {
            kind: self.info.kind,
            executor: Arc::clone(&self.executor),
            content: Mutex::new(Vec::new()),
            lent: Some(memory),
        };
        let counters = Arc::clone(&self.counters);
        Ok(Buffer::of_device(memory, bytes, label, counters))
    }

    fn check(&self) -> Result<(), DeviceError> {
        Ok(())
    }
}

#[derive(Debug)]
struct ExecutorMemory {
    kind: DeviceKind,
    executor: Arc<dyn Executor>,
    content: Mutex<Vec<u8>>,
    lent: Option<LentMemory>,
}

impl ExecutorMemory {
    fn content(&self) -> MutexGuard<'_, Vec<u8>> {
        // Bytes are whole after a panic elsewhere.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for ExecutorMemory {
    fn kind(&self) -> DeviceKind {
        self.kind
    }

    fn raw_address(&self) -> Option<u64> {
        self.lent.as_ref().map(|lent| lent.address)
    }
}

#[derive(Debug)]
struct ExecutorLane {
    kind: DeviceKind,
    executor: Arc<dyn Executor>,
}

impl ExecutorLane {
    fn own<'a>(&self, memory: &'a dyn Memory) -> Result<&'a ExecutorMemory, DeviceError> {
        as_memory(memory, self.kind)
    }
}

impl Lane for ExecutorLane {
    fn kind(&self) -> DeviceKind {
        self.kind
    }

    fn launch(&self, work: &Work<'_>) -> Result<(), DeviceError> {
        let mut memories = Vec::with_capacity(work.memories.len());
        for operand in work.memories {
            memories.push((self.own(operand.memory)?, operand.is_output));
        }
        let buffers = memories.iter().map(|(memory, is_output)| JobBuffer {
            bytes: memory.content().clone(),
            lent_at: memory.lent.as_ref().map_or(0, |lent| lent.address),
            is_output: *is_output,
        });
        let mut job = Job {
            source: work.source,
            groups: work.groups,
            params: work.params.to_vec(),
            buffers: buffers.collect(),
        };
        self.executor.run(&mut job)?;
        for ((memory, is_output), buffer) in memories.into_iter().zip(job.buffers) {
            if is_output {
                *memory.content() = buffer.bytes;
            }
        }
        Ok(())
    }

    fn synchronize(&self) -> Result<(), DeviceError> {
        Ok(())
    }

    fn owns(&self, memory: &dyn Memory) -> bool {
        let own = self.own(memory);
        own.is_ok_and(|own| Arc::ptr_eq(&own.executor, &self.executor))
    }

    fn upload(
        &self,
        to: &dyn Memory,
        offset_bytes: usize,
        bytes: &[u8],
    ) -> Result<(), DeviceError> {
        let mut content = self.own(to)?.content();
        if let Some(target) = content.get_mut(offset_bytes..offset_bytes + bytes.len()) {
            target.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn copy_to_host(
        &self,
        from: &dyn Memory,
        offset_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        let content = self.own(from)?.content();
        if let Some(source) = content.get(offset_bytes..offset_bytes + bytes.len()) {
            bytes.copy_from_slice(source);
        }
        Ok(())
    }

    fn copy(
        &self,
        from: &dyn Memory,
        from_bytes: usize,
        to: &dyn Memory,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        let range = from_bytes..from_bytes + bytes;
        let given = self.own(from)?.content().get(range).map(<[u8]>::to_vec);
        if let (Some(target), Some(given)) = (self.own(to)?.content().get_mut(..bytes), given) {
            target.copy_from_slice(&given);
        }
        Ok(())
    }
}
