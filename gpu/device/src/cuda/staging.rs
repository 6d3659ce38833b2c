//! Host memory that the device copies from and to by itself, and the events that say when it has.
//!
//! ```text
//! upload:  host bytes ──copied──▶ segment k ──queued copy──▶ device        segments go round; before one is used again, the
//!                                                                          event after its last copy is waited for
//! ```

#![expect(
    unsafe_code,
    reason = "the driver is a C library; every call of it is unsafe"
)]

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use cudarc::driver::result::{self, DriverError, event};
use cudarc::driver::sys::{CUdeviceptr, CUevent, CUevent_flags, CUresult, CUstream};

use super::context::Context;
use crate::backend::Passed;
use crate::error::DeviceError;

/// Bytes of one segment: a copy of this size keeps the bus busy while the host fills the next.
const SEGMENT_BYTES: usize = 1 << 20;
/// Segments for uploads.
const SEGMENTS: usize = 4;

/// Page-locked host memory.
#[derive(Debug)]
pub(super) struct Pinned {
    start: NonNull<u8>,
    bytes: usize,
    context: Arc<Context>,
}

// SAFETY: it is memory of this process that nobody else has a pointer to; access goes through `&` and `&mut` as for a `Vec`.
unsafe impl Send for Pinned {}

impl Pinned {
    pub(super) fn new(context: &Arc<Context>, bytes: usize) -> Result<Self, DeviceError> {
        context.bind()?;
        // SAFETY: a context is bound.
        let start = unsafe { result::malloc_host(bytes, 0) };
        let start = context.check(start, bytes, "pinned memory")?.cast::<u8>();
        let start = NonNull::new(start).ok_or_else(|| DeviceError::OutOfMemory {
            bytes,
            label: "pinned memory".to_owned(),
        })?;
        // SAFETY: the driver gave `bytes` bytes at `start`.
        unsafe { start.write_bytes(0, bytes) };
        Ok(Pinned {
            start,
            bytes,
            context: Arc::clone(context),
        })
    }

    pub(super) fn slice(&self) -> &[u8] {
        // SAFETY: `bytes` initialised bytes, alive as long as `self`; the device writes only during `&mut` borrows that wait.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    pub(super) fn slice_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `self` is borrowed alone; the caller has waited for copies that read it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: allocated in `new` and freed once; the owner has waited for the copies.
            let _ = unsafe { result::free_host(self.start.as_ptr().cast()) };
        }
    }
}

/// A mark in a stream.
#[derive(Debug)]
pub(super) struct Event {
    raw: CUevent,
    context: Arc<Context>,
}

// SAFETY: the handle belongs to the driver, which may be called from any thread.
unsafe impl Send for Event {}

impl Event {
    pub(super) fn new(context: &Arc<Context>, flags: CUevent_flags) -> Result<Self, DeviceError> {
        context.bind()?;
        let raw = context.check(event::create(flags), 0, "event")?;
        Ok(Event {
            raw,
            context: Arc::clone(context),
        })
    }

    /// Marks the end of what is queued now.
    pub(super) fn record(&self, stream: CUstream) -> Result<(), DriverError> {
        // SAFETY: the event is alive, and the caller's stream too.
        unsafe { event::record(self.raw, stream) }
    }

    /// Waits until the device has passed the mark; returns at once where none was made.
    pub(super) fn wait(&self) -> Result<(), DriverError> {
        // SAFETY: the event is alive.
        unsafe { event::synchronize(self.raw) }
    }

    /// Whether the device has passed the mark, or never will because it is lost.
    pub(super) fn is_passed(&self) -> bool {
        // SAFETY: the event is alive.
        let asked = unsafe { event::query(self.raw) };
        !matches!(asked, Err(DriverError(CUresult::CUDA_ERROR_NOT_READY)))
    }

    /// Milliseconds from this mark to a later one of the same stream; both have been passed.
    pub(super) fn millis_to(&self, later: &Event) -> Result<f32, DriverError> {
        // SAFETY: both events are alive.
        unsafe { event::elapsed(self.raw, later.raw) }
    }
}

impl Passed for Event {
    fn is_reached(&self) -> bool {
        self.is_passed()
    }

    fn wait(&self) {
        // A device that is lost passes no mark: there is nothing to wait for then.
        let _ = Event::wait(self);
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: made in `new` and destroyed once.
            let _ = unsafe { event::destroy(self.raw) };
        }
    }
}

/// The way of uploads: a ring of segments.
#[derive(Debug)]
pub(super) struct Uploads {
    memory: Pinned,
    /// After the last copy out of each segment.
    passed: [Event; SEGMENTS],
    segment: usize,
}

impl Uploads {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let event = || Event::new(context, CUevent_flags::CU_EVENT_DISABLE_TIMING);
        Ok(Uploads {
            memory: Pinned::new(context, SEGMENTS * SEGMENT_BYTES)?,
            passed: [event()?, event()?, event()?, event()?],
            segment: 0,
        })
    }

    /// Queues a copy; `bytes` are free when it returns. The caller has checked the range and bound the context.
    pub(super) fn send(
        &mut self,
        stream: CUstream,
        to: CUdeviceptr,
        bytes: &[u8],
    ) -> Result<(), DriverError> {
        let mut to = to;
        for chunk in bytes.chunks(SEGMENT_BYTES) {
            let Some(passed) = self.passed.get(self.segment) else {
                break;
            };
            passed.wait()?;
            let first = self.segment * SEGMENT_BYTES;
            let whole = self.memory.slice_mut();
            if let Some(segment) = whole.get_mut(first..first + chunk.len()) {
                segment.copy_from_slice(chunk);
                // SAFETY: the segment stays as it is until the event after this copy has been waited for, the target holds the bytes.
                unsafe { result::memcpy_htod_async(to, segment, stream) }?;
            }
            passed.record(stream)?;
            self.segment = (self.segment + 1) % SEGMENTS;
            to += chunk.len() as u64;
        }
        Ok(())
    }
}

/// The way of downloads: one segment, which values share and which is waited for when it is full and at the end.
#[derive(Debug)]
pub(super) struct Downloads {
    memory: Pinned,
}

impl Downloads {
    pub(super) fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let memory = Pinned::new(context, SEGMENT_BYTES)?;
        Ok(Downloads { memory })
    }

    /// Copies values to the host and waits, once for as many as a segment holds. The caller has checked the ranges and bound the
    /// context.
    pub(super) fn fetch<'a>(
        &mut self,
        stream: CUstream,
        values: impl Iterator<Item = (CUdeviceptr, &'a mut [u8])>,
    ) -> Result<(), DriverError> {
        let chunks = values.flat_map(|(from, bytes)| {
            let starts = (from..).step_by(SEGMENT_BYTES);
            starts.zip(bytes.chunks_mut(SEGMENT_BYTES))
        });
        let (mut waiting, mut filled) = (Vec::new(), 0);
        for (from, chunk) in chunks {
            if filled + chunk.len() > SEGMENT_BYTES {
                self.arrive(stream, &mut waiting)?;
                filled = 0;
            }
            let place = filled..filled + chunk.len();
            filled = place.end;
            let mut queued = Ok(());
            if let Some(target) = self.memory.slice_mut().get_mut(place.clone()) {
                // SAFETY: nobody reads or writes the target until the stream has been waited for in `arrive`, the source holds the
                // bytes.
                queued = unsafe { result::memcpy_dtoh_async(target, from, stream) };
            }
            waiting.push((place, chunk));
            if queued.is_err() {
                // What was queued before must be over before the segment is used again.
                return self.arrive(stream, &mut waiting).and(queued);
            }
        }
        self.arrive(stream, &mut waiting)
    }

    /// Waits for what was queued and hands it out.
    fn arrive(
        &self,
        stream: CUstream,
        waiting: &mut Vec<(Range<usize>, &mut [u8])>,
    ) -> Result<(), DriverError> {
        // SAFETY: the caller's stream is alive.
        unsafe { result::stream::synchronize(stream) }?;
        for (place, chunk) in waiting.drain(..) {
            if let Some(arrived) = self.memory.slice().get(place) {
                chunk.copy_from_slice(arrived);
            }
        }
        Ok(())
    }
}
