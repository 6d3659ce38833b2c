//! Device memory, and the only two doors between it and the host.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::device::{DeviceKind, Stream};
use crate::error::DeviceError;
use crate::transfer::TransferCounters;
#[cfg(feature = "wgpu")]
use crate::wgpu::WgpuMemory;

/// One cache line; a `Vec` of these is 64-byte aligned without `unsafe`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Where the bytes are. A variant per device that this build has.
#[derive(Debug)]
enum Storage {
    Host(Vec<Line>),
    #[cfg(feature = "wgpu")]
    Wgpu(WgpuMemory),
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

    /// Wraps memory of a wgpu device.
    #[cfg(feature = "wgpu")]
    pub(crate) fn on_wgpu(
        memory: WgpuMemory,
        bytes: usize,
        label: &str,
        counters: Arc<TransferCounters>,
    ) -> Self {
        Buffer {
            storage: Storage::Wgpu(memory),
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
        match self.storage {
            Storage::Host(_) => DeviceKind::Cpu,
            #[cfg(feature = "wgpu")]
            Storage::Wgpu(_) => DeviceKind::Wgpu,
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
            #[cfg(feature = "wgpu")]
            Storage::Wgpu(memory) => {
                let lane = stream
                    .wgpu()
                    .ok_or_else(|| wrong_device(stream, DeviceKind::Wgpu))?;
                memory.upload(lane, offset_bytes, bytes)?;
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
        self.check_stream(stream)?;
        let end_bytes = offset_bytes.saturating_add(bytes.len());
        if end_bytes > self.bytes {
            return Err(self.out_of_bounds(offset_bytes, bytes.len()));
        }
        match &self.storage {
            Storage::Host(lines) => {
                let all: &[u8] = bytemuck::cast_slice(lines.as_slice());
                if let Some(source) = all.get(offset_bytes..end_bytes) {
                    bytes.copy_from_slice(source);
                }
            }
            #[cfg(feature = "wgpu")]
            Storage::Wgpu(memory) => {
                let lane = stream
                    .wgpu()
                    .ok_or_else(|| wrong_device(stream, DeviceKind::Wgpu))?;
                memory.copy_to_host(lane, offset_bytes, bytes)?;
            }
        }
        self.counters.downloaded(bytes.len());
        Ok(())
    }

    /// Borrows the memory as `T` where the device's memory is the host's (the `cpu` device); `None` elsewhere, or when the
    /// size is no whole number of `T`. No copy, not counted.
    pub fn host<T: Pod>(&self) -> Option<&[T]> {
        #[cfg_attr(
            not(feature = "wgpu"),
            expect(
                irrefutable_let_patterns,
                reason = "the cpu is the only device of this build"
            )
        )]
        let Storage::Host(lines) = &self.storage else {
            return None;
        };
        let bytes: &[u8] = bytemuck::cast_slice(lines.as_slice());
        bytemuck::try_cast_slice(bytes.get(..self.bytes)?).ok()
    }

    /// As [`Buffer::host`], to write.
    pub fn host_mut<T: Pod>(&mut self) -> Option<&mut [T]> {
        #[cfg_attr(
            not(feature = "wgpu"),
            expect(
                irrefutable_let_patterns,
                reason = "the cpu is the only device of this build"
            )
        )]
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
            #[cfg(feature = "wgpu")]
            Storage::Wgpu(memory) => stream.wgpu().is_some_and(|lane| memory.is_of(lane)),
        };
        if is_same {
            return Ok(());
        }
        Err(wrong_device(stream, self.kind()))
    }

    /// The memory, where it is a wgpu device's.
    #[cfg(feature = "wgpu")]
    pub(crate) fn wgpu(&self) -> Option<&WgpuMemory> {
        match &self.storage {
            Storage::Wgpu(memory) => Some(memory),
            Storage::Host(_) => None,
        }
    }

    /// Where it lies in the device's own address space, on `cuda` a `CUdeviceptr`; `None` where there are no addresses. It is for
    /// libraries that work on device memory in place, and stays valid while this buffer lives.
    pub fn raw_address(&self) -> Option<u64> {
        None
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

fn wrong_device(stream: &Stream, found: DeviceKind) -> DeviceError {
    DeviceError::WrongDevice {
        wanted: stream.kind(),
        found,
    }
}
