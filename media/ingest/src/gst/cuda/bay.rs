//! Where surfaces wait until the device has read them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsie_device::{DeviceError, Mark, Stream};

use super::surface::Surface;

/// Most surfaces of one decoder that are held at once, those that wait for the device included. A decoder owns a few more than
/// it needs and stands still when they are gone. When so many are held, a live source drops its newest picture and counts it
/// (`frames_without_slot`); others wait.
pub const MAX_SURFACES: usize = 3;

/// A place in a queue of device work, such as a recorded event.
pub trait WorkMark: Send {
    /// Whether everything queued before it is done, or never will be because the device is lost. Waits for nothing.
    fn is_reached(&self) -> bool;

    /// Waits until it is.
    fn wait(&self);
}

/// The queue on which pictures are read: a stream of our device.
pub trait WorkQueue: Send + Sync {
    /// Marks the end of what is queued now.
    fn mark(&self) -> Result<Box<dyn WorkMark>, DeviceError>;
}

impl WorkMark for Mark {
    fn is_reached(&self) -> bool {
        Mark::is_reached(self)
    }

    fn wait(&self) {
        Mark::wait(self);
    }
}

impl WorkQueue for Stream {
    fn mark(&self) -> Result<Box<dyn WorkMark>, DeviceError> {
        Ok(Box::new(Stream::mark(self)?))
    }
}

/// The surfaces of one decoder that are out.
pub(super) struct Bay {
    queue: Arc<dyn WorkQueue>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Handed out and not dropped.
    out: usize,
    /// Dropped by their reader, whose work may still run.
    waiting: Vec<(Box<dyn WorkMark>, Surface)>,
}

impl Bay {
    pub(super) fn new(queue: Arc<dyn WorkQueue>) -> Arc<Self> {
        let waiting = Vec::with_capacity(MAX_SURFACES);
        Arc::new(Bay {
            queue,
            state: Mutex::new(State { out: 0, waiting }),
        })
    }

    /// Gives back what the device is done with, then takes a place if one is free.
    pub(super) fn take_place(&self) -> bool {
        let mut state = self.state();
        state.waiting.retain(|(mark, _)| !mark.is_reached());
        let is_free = state.out + state.waiting.len() < MAX_SURFACES;
        state.out += usize::from(is_free);
        is_free
    }

    /// Gives a place back that was taken and not used.
    pub(super) fn give_place_back(&self) {
        let mut state = self.state();
        state.out = state.out.saturating_sub(1);
    }

    /// Keeps a surface until all that is queued now is done.
    pub(super) fn retire(&self, surface: Surface) {
        let mark = self.queue.mark();
        let mut state = self.state();
        state.out = state.out.saturating_sub(1);
        match mark {
            Ok(mark) => state.waiting.push((mark, surface)),
            Err(error) => {
                // Nobody can say when the device is done with it. It is never written again, so nothing can be torn.
                tracing::error!(%error, "a decoder's surface is given up: the device marks no work");
                std::mem::forget(surface);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers and a list that are whole after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bay {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (mark, surface) in state.waiting.drain(..) {
            mark.wait();
            drop(surface);
        }
    }
}
