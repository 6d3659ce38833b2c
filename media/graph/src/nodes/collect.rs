//! Sinks for tests and measurements.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::NodeError;
use crate::node::Sink;
use crate::packet::{Packet, Payload};

/// Reads what a [`Collector`] has kept; clones read the same.
#[derive(Clone)]
pub struct Collected<T> {
    shared: Arc<Kept<T>>,
}

/// Keeps the last packets of a branch.
pub struct Collector<T> {
    shared: Arc<Kept<T>>,
}

struct Kept<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
}

struct State<T> {
    packets: VecDeque<Packet<T>>,
    seen: u64,
    ended: bool,
}

/// A sink that keeps the last `capacity` packets (at least 1), and its reader.
pub fn collector<T: Payload>(capacity: usize) -> (Collected<T>, Collector<T>) {
    let state = State {
        packets: VecDeque::new(),
        seen: 0,
        ended: false,
    };
    let shared = Arc::new(Kept {
        state: Mutex::new(state),
        changed: Condvar::new(),
        capacity: capacity.max(1),
    });
    (
        Collected {
            shared: Arc::clone(&shared),
        },
        Collector { shared },
    )
}

impl<T: Payload> Collected<T> {
    /// The packets kept, oldest first.
    pub fn packets(&self) -> Vec<Packet<T>> {
        self.read(|state| state.packets.iter().cloned().collect())
    }

    /// The payloads kept, oldest first.
    pub fn payloads(&self) -> Vec<T> {
        self.read(|state| {
            state
                .packets
                .iter()
                .map(|packet| packet.payload.clone())
                .collect()
        })
    }

    /// Packets seen so far, kept or not.
    pub fn seen(&self) -> u64 {
        self.read(|state| state.seen)
    }

    /// Whether the stream has ended.
    pub fn has_ended(&self) -> bool {
        self.read(|state| state.ended)
    }

    /// Waits until `packets` packets have been seen or the stream has ended; returns whether that many were seen.
    pub fn wait_for(&self, packets: u64, timeout: Duration) -> bool {
        let state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State<T>| state.seen < packets && !state.ended;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, timeout, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.seen >= packets
    }

    fn read<R>(&self, read: impl FnOnce(&State<T>) -> R) -> R {
        read(
            &self
                .shared
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl<T: Payload> Sink for Collector<T> {
    type In = T;

    fn consume(&mut self, packet: Packet<T>) -> Result<(), NodeError> {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if state.packets.len() >= self.shared.capacity {
            state.packets.pop_front();
        }
        state.packets.push_back(packet);
        state.seen += 1;
        self.shared.changed.notify_all();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), NodeError> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended = true;
        self.shared.changed.notify_all();
        Ok(())
    }
}

/// Ends a branch and keeps nothing.
pub struct NullSink<T>(PhantomData<fn(T)>);

impl<T> Default for NullSink<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Payload> Sink for NullSink<T> {
    type In = T;

    fn consume(&mut self, _packet: Packet<T>) -> Result<(), NodeError> {
        Ok(())
    }
}
