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
//! Features: `wgpu` adds any GPU through Vulkan, Metal or Direct3D 12. A kernel for it is text, see [`KernelSource`].
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

mod buffer;
mod cpu;
mod device;
mod error;
mod frame;
mod launch;
mod layout;
mod pool;
mod probe;
mod transfer;
#[cfg(feature = "wgpu")]
mod wgpu;

pub use buffer::Buffer;
pub use cpu::CpuDevice;
pub use device::{Device, DeviceInfo, DeviceKind, Stream};
pub use error::{DeviceError, FrameError};
pub use frame::{Frame, FrameMeta};
pub use launch::{Argument, KernelSource, Launch, MAX_GROUP_THREADS, MAX_PARAMS_BYTES};
pub use layout::{
    ColorMatrix, ColorRange, ColorSpace, FrameLayout, MAX_FRAME_SIDE_PX, PixelFormat, Plane,
};
pub use pool::{FramePool, FrameSlot, PoolStats};
pub use probe::{DeviceReport, UnavailableReason, open, open_nth, probe};
pub use transfer::Transfers;
#[cfg(feature = "wgpu")]
pub use wgpu::WgpuDevice;
