//! What the peers did, as counters that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

use lsie_schemas::link::EngineCounters;

/// Counters of every peer of a process.
#[derive(Debug, Default)]
pub struct PeerCounters {
    pub(crate) opened: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) packets: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) units_dropped: AtomicU64,
    pub(crate) key_requests: AtomicU64,
    pub(crate) live_dropped: AtomicU64,
    pub(crate) live_ignored: AtomicU64,
    pub(crate) candidates_ignored: AtomicU64,
    pub(crate) published_packets: AtomicU64,
    pub(crate) published_lost: AtomicU64,
    pub(crate) published_key_requests: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl PeerCounters {
    /// Writes them into the engine's.
    pub fn tell(&self, counters: &mut EngineCounters) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        counters.peers_opened = read(&self.opened);
        counters.peers_refused = read(&self.refused);
        counters.peers_closed = read(&self.closed);
        counters.viewer_packets = read(&self.packets);
        counters.viewer_bytes = read(&self.bytes);
        counters.viewer_units_dropped = read(&self.units_dropped);
        counters.viewer_key_requests = read(&self.key_requests);
        counters.live_messages_dropped = read(&self.live_dropped);
        counters.live_messages_ignored = read(&self.live_ignored);
        counters.candidates_ignored = read(&self.candidates_ignored);
        counters.publisher_packets = read(&self.published_packets);
        counters.publisher_packets_lost = read(&self.published_lost);
        counters.publisher_key_requests = read(&self.published_key_requests);
    }
}
