//! Compute devices: buffers, streams, the frame pool and the frames that live in it.
//!
//! **The one contract.** Pixels and tensors live in a [`Buffer`] of one [`Device`]. Work on them is ordered by a
//! [`Stream`]. Bytes enter by [`Buffer::upload`] and leave by [`Buffer::copy_to_host`], nowhere else, and both are counted
//! ([`Transfers`]), so "one upload, no download" per frame is a number and not a belief. A [`Frame`] is a cheap handle to
//! a pooled slot; when its last clone is dropped the slot goes back to its [`FramePool`].
//!
//! **What it never does.** It never knows what a face is, never allocates after start-up on the frame path (beyond the
//! handle of a frame), never falls back from one device to another in silence: a device that cannot be had is a typed
//! [`DeviceError::Unavailable`] with the way to get it.
//!
//! Features: `wgpu` adds any GPU through Vulkan, Metal or Direct3D 12, `cuda` NVIDIA GPUs through their driver, both opened at run
//! time. A kernel for them is text, see [`KernelSource`]. `executor` adds a device whose text somebody else runs: for tests.
//!
//! ```
//! use lsie_device::{DeviceKind, FrameLayout, FrameMeta, Frame, FramePool, PixelFormat, open};
//!
//! let device = open(DeviceKind::Cpu)?;
//! let stream = device.stream("example")?;
//! let layout = FrameLayout::tight(PixelFormat::Rgb8, 4, 2)?;
//! let pool = FramePool::new(device.as_ref(), 2, layout.bytes())?;
//!
//! let mut slot = pool.acquire().ok_or("every slot is in use")?;
//! slot.buffer_mut().upload(&stream, 0, &[255; 24])?;
//! let frame = Frame::new(slot, FrameMeta::still(layout))?;
//! assert_eq!((frame.width(), frame.height()), (4, 2));
//! assert_eq!(device.transfers().uploads, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod absent;
mod backend;
mod buffer;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod error;
#[cfg(feature = "executor")]
mod executor;
mod frame;
mod kind;
mod launch;
mod layout;
mod lent;
mod mark;
mod pool;
mod probe;
mod reading;
mod recording;
mod source;
mod stream;
mod transfer;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use buffer::Buffer;
pub use cpu::CpuDevice;
#[cfg(feature = "cuda")]
pub use cuda::{Compiled, Compiler, CudaDevice, Image, KernelResources, Target};
pub use device::Device;
pub use error::{DeviceError, UnavailableReason};
#[cfg(feature = "executor")]
pub use executor::{Executor, ExecutorDevice, Job, JobBuffer};
pub use frame::{Frame, FrameMeta};
pub use kind::{DeviceInfo, DeviceKind};
pub use launch::{Argument, Launch};
pub use layout::{
    ColorMatrix, ColorRange, ColorSpace, FrameError, FrameLayout, MAX_FRAME_SIDE_PX, PixelFormat,
    Plane,
};
pub use lent::{LentMemory, NativeContext};
pub use mark::Mark;
pub use pool::{FramePool, FrameSlot, PoolStats};
pub use probe::{DeviceReport, OpenSettings, open, open_nth, open_with, probe};
pub use reading::Read;
pub use recording::Recorded;
pub use source::{KernelSource, MAX_GROUP_THREADS, MAX_PARAMS_BYTES};
pub use stream::Stream;
pub use transfer::Transfers;
#[cfg(feature = "wgpu")]
pub use wgpu::WgpuDevice;
