//! The `Stream` that orders a device's work.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::Lane;
use crate::error::DeviceError;
use crate::kind::DeviceKind;
use crate::source::KernelSource;
use crate::transfer::TransferCounters;

/// A queue of work on one device. A clone is the same queue.
///
/// On the `cpu` device a launch runs on the calling thread and is done when it returns.
#[derive(Debug, Clone)]
pub struct Stream {
    inner: Arc<StreamInner>,
}

#[derive(Debug)]
struct StreamInner {
    name: String,
    lane: Box<dyn Lane>,
    counters: Arc<TransferCounters>,
    /// Names of the launches of a recording that goes on.
    recording: Mutex<Option<Vec<&'static str>>>,
}

impl Stream {
    pub(crate) fn new(lane: impl Lane, name: &str, counters: Arc<TransferCounters>) -> Self {
        Stream {
            inner: Arc::new(StreamInner {
                name: name.to_owned(),
                lane: Box::new(lane),
                counters,
                recording: Mutex::new(None),
            }),
        }
    }

    /// The device's side of it.
    pub(crate) fn lane(&self) -> &dyn Lane {
        self.inner.lane.as_ref()
    }

    /// Launches from here on are noted for a recording instead of counted.
    pub(crate) fn begin_notes(&self) {
        *self.notes() = Some(Vec::new());
    }

    /// What was noted.
    pub(crate) fn end_notes(&self) -> Vec<&'static str> {
        self.notes().take().unwrap_or_default()
    }

    fn notes(&self) -> MutexGuard<'_, Option<Vec<&'static str>>> {
        // A list of names is whole after a panic elsewhere.
        let notes = self.inner.recording.lock();
        notes.unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a launch that runs.
    pub(crate) fn count(&self, kernel: &'static str) {
        self.inner.counters.launched(kernel);
    }

    /// Counts a replay.
    pub(crate) fn count_replay(&self) {
        self.inner.counters.replayed();
    }

    /// Counts a launch of a kernel that the calling thread has done on the `cpu` device. [`Stream::launch`] counts by itself.
    pub fn launched(&self, source: &'static KernelSource) {
        match self.notes().as_mut() {
            Some(notes) => notes.push(source.name),
            None => self.count(source.name),
        }
    }

    /// The name given at creation.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The kind of the device whose queue this is.
    pub fn kind(&self) -> DeviceKind {
        self.lane().kind()
    }

    /// Waits until everything launched so far is done. Belongs to the hop, never into a kernel's launcher.
    pub fn synchronize(&self) -> Result<(), DeviceError> {
        self.lane().synchronize()
    }

    /// Nanoseconds of the last launch by the device's own clock; `None` where there is no clock, was no launch, or the clock
    /// starts only now: ask once before. Waits for the device: for benches, not for the frame path.
    pub fn last_launch_ns(&self) -> Result<Option<u64>, DeviceError> {
        self.lane().last_launch_ns()
    }

    /// The driver's own handle of this queue as a number, on `cuda` a `CUstream`; `None` where the driver has none. It is for
    /// libraries that queue their work here, and stays valid while this stream lives.
    pub fn raw_handle(&self) -> Option<usize> {
        self.lane().raw_handle()
    }
}
