//! Device memory, and the only two doors between it and the host.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::backend::Memory;
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::stream::Stream;
use crate::transfer::TransferCounters;

/// One cache line; a `Vec` of these is 64-byte aligned without `unsafe`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Where the bytes are.
#[derive(Debug)]
enum Storage {
    Host(Vec<Line>),
    Device(Box<dyn Memory>),
}

/// A piece of memory of one device: owned, of fixed size, zeroed at birth.
///
/// Reading needs `&Buffer`, writing `&mut Buffer`, on every device: two launches that would race do not compile.
#[derive(Debug)]
pub struct Buffer {
    storage: Storage,
    bytes: usize,
    label: Arc<str>,
    counters: Arc<TransferCounters>,
}

impl Buffer {
    /// Allocates host memory for the `cpu` device.
    pub(crate) fn host_memory(
        bytes: usize,
        label: &str,
        counters: Arc<TransferCounters>,
    ) -> Result<Self, DeviceError> {
        let lines = bytes.div_ceil(size_of::<Line>());
        let mut storage = Vec::new();
        storage
            .try_reserve_exact(lines)
            .map_err(|_| DeviceError::OutOfMemory {
                bytes,
                label: label.to_owned(),
            })?;
        storage.resize(lines, Line::zeroed());
        Ok(Buffer {
            storage: Storage::Host(storage),
            bytes,
            label: label.into(),
            counters,
        })
    }

    /// Wraps memory of another device than the `cpu`.
    #[cfg_attr(
        not(any(feature = "wgpu", feature = "cuda", feature = "executor")),
        expect(dead_code, reason = "the cpu is the only device of this build")
    )]
    pub(crate) fn of_device(
        memory: impl Memory,
        bytes: usize,
        label: &str,
        counters: Arc<TransferCounters>,
    ) -> Self {
        Buffer {
            storage: Storage::Device(Box::new(memory)),
            bytes,
            label: label.into(),
            counters,
        }
    }

    /// Takes the memory out, leaving a buffer of no bytes. Allocates nothing.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Buffer {
            storage: Storage::Host(Vec::new()),
            bytes: 0,
            label: Arc::clone(&self.label),
            counters: Arc::clone(&self.counters),
        };
        std::mem::replace(self, empty)
    }

    /// The device kind whose memory this is.
    pub fn kind(&self) -> DeviceKind {
        match &self.storage {
            Storage::Host(_) => DeviceKind::Cpu,
            Storage::Device(memory) => memory.kind(),
        }
    }

    /// Size in bytes, as asked for.
    pub fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// What it is for, as given at allocation.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Copies host bytes into the device at `offset_bytes`: the only way in. Counted as an upload.
    pub fn upload(
        &mut self,
        stream: &Stream,
        offset_bytes: usize,
        bytes: &[u8],
    ) -> Result<(), DeviceError> {
        self.check_stream(stream)?;
        let end_bytes = offset_bytes.saturating_add(bytes.len());
        if end_bytes > self.bytes {
            return Err(self.out_of_bounds(offset_bytes, bytes.len()));
        }
        match &mut self.storage {
            Storage::Host(lines) => {
                let all: &mut [u8] = bytemuck::cast_slice_mut(lines.as_mut_slice());
                if let Some(target) = all.get_mut(offset_bytes..end_bytes) {
                    target.copy_from_slice(bytes);
                }
            }
            Storage::Device(memory) => {
                stream.lane().upload(memory.as_ref(), offset_bytes, bytes)?;
            }
        }
        self.counters.uploaded(bytes.len());
        Ok(())
    }

    /// Copies device bytes from `offset_bytes` to the host and waits for them: the only way out. Counted as a download.
    ///
    /// It is meant for small derived values; a copy of pixels is what this project exists to avoid.
    pub fn copy_to_host(
        &self,
        stream: &Stream,
        offset_bytes: usize,
        bytes: &mut [u8],
    ) -> Result<(), DeviceError> {
        let end_bytes = self.check_read(stream, offset_bytes, bytes.len())?;
        match &self.storage {
            Storage::Host(lines) => {
                let all: &[u8] = bytemuck::cast_slice(lines.as_slice());
                if let Some(source) = all.get(offset_bytes..end_bytes) {
                    bytes.copy_from_slice(source);
                }
            }
            Storage::Device(memory) => {
                stream
                    .lane()
                    .copy_to_host(memory.as_ref(), offset_bytes, bytes)?;
            }
        }
        self.counters.downloaded(bytes.len());
        Ok(())
    }

    /// Where a read ends.
    pub(crate) fn check_read(
        &self,
        stream: &Stream,
        offset_bytes: usize,
        bytes: usize,
    ) -> Result<usize, DeviceError> {
        self.check_stream(stream)?;
        let end_bytes = offset_bytes.saturating_add(bytes);
        if end_bytes > self.bytes {
            return Err(self.out_of_bounds(offset_bytes, bytes));
        }
        Ok(end_bytes)
    }

    /// Notes a read that was done elsewhere.
    pub(crate) fn was_read(&self, bytes: usize) {
        self.counters.downloaded(bytes);
    }

    /// Copies `bytes` of another buffer of the same device, from `from_bytes` on, to the beginning of this one. They never leave the
    /// device, so nothing is counted as crossing. Both numbers are multiples of 4, else it is [`DeviceError::Rejected`].
    pub fn copy_from(
        &mut self,
        stream: &Stream,
        source: &Buffer,
        from_bytes: usize,
        bytes: usize,
    ) -> Result<(), DeviceError> {
        self.check_stream(stream)?;
        source.check_stream(stream)?;
        if from_bytes.saturating_add(bytes) > source.bytes {
            return Err(source.out_of_bounds(from_bytes, bytes));
        }
        if bytes > self.bytes {
            return Err(self.out_of_bounds(0, bytes));
        }
        if !from_bytes.is_multiple_of(4) || !bytes.is_multiple_of(4) {
            return Err(DeviceError::Rejected {
                what: self.label.to_string(),
                detail: "a copy on the device moves whole words".to_owned(),
            });
        }
        match (&mut self.storage, &source.storage) {
            (Storage::Host(lines), Storage::Host(others)) => {
                let all: &mut [u8] = bytemuck::cast_slice_mut(lines.as_mut_slice());
                let others: &[u8] = bytemuck::cast_slice(others.as_slice());
                let given = others.get(from_bytes..from_bytes + bytes);
                if let (Some(target), Some(given)) = (all.get_mut(..bytes), given) {
                    target.copy_from_slice(given);
                }
                Ok(())
            }
            (Storage::Device(memory), Storage::Device(other)) => {
                let (from, to) = (other.as_ref(), memory.as_ref());
                stream.lane().copy(from, from_bytes, to, bytes)
            }
            // Both are of the stream's device.
            _ => Err(source.of_another_device(stream)),
        }
    }

    /// Borrows the memory as `T` where the device's memory is the host's (the `cpu` device); `None` elsewhere, or when the
    /// size is no whole number of `T`. No copy, not counted.
    pub fn host<T: Pod>(&self) -> Option<&[T]> {
        let Storage::Host(lines) = &self.storage else {
            return None;
        };
        let bytes: &[u8] = bytemuck::cast_slice(lines.as_slice());
        bytemuck::try_cast_slice(bytes.get(..self.bytes)?).ok()
    }

    /// As [`Buffer::host`], to write.
    pub fn host_mut<T: Pod>(&mut self) -> Option<&mut [T]> {
        let Storage::Host(lines) = &mut self.storage else {
            return None;
        };
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(lines.as_mut_slice());
        bytemuck::try_cast_slice_mut(bytes.get_mut(..self.bytes)?).ok()
    }

    /// Fails unless `stream` belongs to the device that owns this memory (for the `cpu`: to any opening of it).
    pub fn check_stream(&self, stream: &Stream) -> Result<(), DeviceError> {
        let is_same = match &self.storage {
            Storage::Host(_) => stream.kind() == DeviceKind::Cpu,
            Storage::Device(memory) => stream.lane().owns(memory.as_ref()),
        };
        if is_same {
            return Ok(());
        }
        Err(self.of_another_device(stream))
    }

    fn of_another_device(&self, stream: &Stream) -> DeviceError {
        DeviceError::WrongDevice {
            wanted: stream.kind(),
            found: self.kind(),
        }
    }

    /// The memory, where it is not the host's.
    pub(crate) fn memory(&self) -> Option<&dyn Memory> {
        match &self.storage {
            Storage::Device(memory) => Some(memory.as_ref()),
            Storage::Host(_) => None,
        }
    }

    /// Where it lies in the device's own address space, on `cuda` a `CUdeviceptr`; `None` where there are no addresses. It is for
    /// libraries that work on device memory in place, and stays valid while this buffer lives.
    pub fn raw_address(&self) -> Option<u64> {
        self.memory()?.raw_address()
    }

    /// The error for an access of `bytes` at `offset_bytes` that leaves this buffer.
    pub fn out_of_bounds(&self, offset_bytes: usize, bytes: usize) -> DeviceError {
        DeviceError::OutOfBounds {
            offset_bytes,
            bytes,
            buffer_bytes: self.bytes,
            label: self.label.to_string(),
        }
    }
}
