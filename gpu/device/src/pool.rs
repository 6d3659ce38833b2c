//! A fixed set of frame slots that go round.
//!
//! ```text
//! free ──acquire──▶ FrameSlot (being filled) ──Frame::new──▶ Frame (shared, read only)
//!   ▲                       │ dropped                              │ last clone dropped
//!   └───────────────────────┴──────────────────────────────────────┘
//! ```
//!
//! A pool never grows. When the picture format changes, make a new pool; the frames of the old one keep it alive.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::DeviceError;

/// How a pool is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStats {
    /// Slots in all.
    pub slots: usize,
    /// Slots handed out now.
    pub in_use: usize,
    /// Most slots ever handed out at once.
    pub high_water: usize,
    /// Acquisitions refused because every slot was in use: each is one frame that its source had to drop.
    pub exhausted: u64,
}

/// A fixed set of equally sized slots on one device. A clone is the same pool.
#[derive(Debug, Clone)]
pub struct FramePool {
    inner: Arc<PoolInner>,
}

#[derive(Debug)]
struct PoolInner {
    free: Mutex<Vec<Buffer>>,
    slots: usize,
    bytes_per_slot: usize,
    high_water: AtomicUsize,
    exhausted: AtomicU64,
}

impl PoolInner {
    fn free(&self) -> MutexGuard<'_, Vec<Buffer>> {
        // A list of buffers is whole after a panic elsewhere.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FramePool {
    /// Allocates all slots now; none are added later.
    pub fn new(
        device: &dyn Device,
        slots: usize,
        bytes_per_slot: usize,
    ) -> Result<Self, DeviceError> {
        let mut free = Vec::with_capacity(slots);
        for _ in 0..slots {
            free.push(device.alloc(bytes_per_slot, "frame slot")?);
        }
        let inner = PoolInner {
            free: Mutex::new(free),
            slots,
            bytes_per_slot,
            high_water: AtomicUsize::new(0),
            exhausted: AtomicU64::new(0),
        };
        Ok(FramePool {
            inner: Arc::new(inner),
        })
    }

    /// As [`FramePool::new`], with fewer slots where the device has no room for all of them; fails below `least`.
    pub fn up_to(
        device: &dyn Device,
        slots: usize,
        least: usize,
        bytes_per_slot: usize,
    ) -> Result<Self, DeviceError> {
        let mut wanted = slots.max(least);
        loop {
            match FramePool::new(device, wanted, bytes_per_slot) {
                Err(DeviceError::OutOfMemory { .. }) if wanted > least => {
                    // What was had of the larger pool is free again.
                    wanted = (wanted / 2).max(least);
                }
                made => return made,
            }
        }
    }

    /// Takes a free slot, or counts and returns `None`: the source then drops its newest frame. Old pixels are still in it.
    pub fn acquire(&self) -> Option<FrameSlot> {
        let mut free = self.inner.free();
        let Some(buffer) = free.pop() else {
            self.inner.exhausted.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        self.inner
            .high_water
            .fetch_max(self.inner.slots - free.len(), Ordering::Relaxed);
        Some(FrameSlot {
            buffer,
            pool: Arc::clone(&self.inner),
        })
    }

    /// Bytes of each slot.
    pub fn bytes_per_slot(&self) -> usize {
        self.inner.bytes_per_slot
    }

    /// How it is doing.
    pub fn stats(&self) -> PoolStats {
        let free_slots = self.inner.free().len();
        PoolStats {
            slots: self.inner.slots,
            in_use: self.inner.slots - free_slots,
            high_water: self.inner.high_water.load(Ordering::Relaxed),
            exhausted: self.inner.exhausted.load(Ordering::Relaxed),
        }
    }
}

/// A slot that is being filled. Dropped, it goes back to its pool.
#[derive(Debug)]
pub struct FrameSlot {
    buffer: Buffer,
    pool: Arc<PoolInner>,
}

impl FrameSlot {
    /// Its memory, to read.
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// Its memory, to fill.
    pub fn buffer_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }
}

impl Drop for FrameSlot {
    fn drop(&mut self) {
        let buffer = self.buffer.take();
        // The list was made with room for every slot: this does not allocate.
        self.pool.free().push(buffer);
    }
}
