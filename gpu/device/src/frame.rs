//! A picture on a device: a pooled slot, or memory that somebody lends, and what is known about it.

use std::sync::Arc;

use crate::buffer::Buffer;
use crate::layout::{ColorSpace, FrameError, FrameLayout, PixelFormat, Plane};
use crate::pool::FrameSlot;

/// Everything about a frame but its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameMeta {
    /// Size, format and planes.
    pub layout: FrameLayout,
    /// What the samples mean.
    pub color: ColorSpace,
    /// Media time on the source's clock, nanoseconds.
    pub pts_ns: i64,
    /// When the frame arrived, nanoseconds of the host's monotonic clock.
    pub host_time_ns: u64,
    /// Counts the frames of a source from 0, including those that were lost later.
    pub seq: u64,
}

impl FrameMeta {
    /// The description of a picture without time: pts, host time and sequence 0, default colour.
    pub fn still(layout: FrameLayout) -> Self {
        FrameMeta {
            layout,
            color: ColorSpace::default(),
            pts_ns: 0,
            host_time_ns: 0,
            seq: 0,
        }
    }
}

/// A picture in device memory. Cloning is cheap and copies no pixels; nobody can write to it any more.
///
/// The slot returns to its pool when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Frame {
    inner: Arc<FrameInner>,
}

#[derive(Debug)]
struct FrameInner {
    memory: FrameMemory,
    meta: FrameMeta,
}

/// Where the planes are.
#[derive(Debug)]
enum FrameMemory {
    Slot(FrameSlot),
    Lent(Buffer),
}

impl Frame {
    /// Seals a filled slot. On a bad description the slot goes back to its pool.
    pub fn new(slot: FrameSlot, meta: FrameMeta) -> Result<Self, FrameError> {
        Self::over(FrameMemory::Slot(slot), meta)
    }

    /// A picture in memory that is not a pool's, such as a decoder's surface ([`crate::Device::borrow_memory`]). The memory is let go
    /// when the last clone is dropped, or at once on a bad description.
    pub fn lent(buffer: Buffer, meta: FrameMeta) -> Result<Self, FrameError> {
        Self::over(FrameMemory::Lent(buffer), meta)
    }

    fn over(memory: FrameMemory, meta: FrameMeta) -> Result<Self, FrameError> {
        meta.layout.check(memory.buffer().len_bytes())?;
        Ok(Frame {
            inner: Arc::new(FrameInner { memory, meta }),
        })
    }

    /// The device memory that holds the planes.
    pub fn buffer(&self) -> &Buffer {
        self.inner.memory.buffer()
    }

    /// Everything but the pixels.
    pub fn meta(&self) -> &FrameMeta {
        &self.inner.meta
    }

    /// Size, format and planes.
    pub fn layout(&self) -> &FrameLayout {
        &self.inner.meta.layout
    }

    /// The pixel format.
    pub fn format(&self) -> PixelFormat {
        self.layout().format
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.layout().width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.layout().height
    }

    /// The planes, in the order of the format.
    pub fn planes(&self) -> &[Plane] {
        self.layout().planes()
    }

    /// What the samples mean.
    pub fn color(&self) -> ColorSpace {
        self.inner.meta.color
    }

    /// Media time on the source's clock, nanoseconds.
    pub fn pts_ns(&self) -> i64 {
        self.inner.meta.pts_ns
    }

    /// When the frame arrived, nanoseconds of the host's monotonic clock.
    pub fn host_time_ns(&self) -> u64 {
        self.inner.meta.host_time_ns
    }

    /// The frame's number within its source.
    pub fn seq(&self) -> u64 {
        self.inner.meta.seq
    }
}

impl FrameMemory {
    fn buffer(&self) -> &Buffer {
        match self {
            FrameMemory::Slot(slot) => slot.buffer(),
            FrameMemory::Lent(buffer) => buffer,
        }
    }
}
