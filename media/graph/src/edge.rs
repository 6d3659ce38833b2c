//! The bounded queue between two threads: exact loss policy, time-stamp bounds beside the packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam::channel::{Receiver, Select, Sender, TryRecvError, TrySendError, bounded, select};

use crate::node_state::NodeState;
use crate::packet::{MediaTime, Packet, Payload};
use crate::policy::{Edge, WhenFull};
use crate::shared::Shared;
use crate::stage::Stage;
use crate::stats::DropReason;
use crate::token::StopToken;

/// The part of an edge that both ends and the statistics see.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) edge: Edge,
    depth: AtomicUsize,
    /// Nothing earlier than this will be queued any more.
    settled: AtomicI64,
    consumer_gone: AtomicBool,
}

impl Lane {
    pub(crate) fn new(edge: Edge) -> Self {
        Self {
            edge,
            depth: AtomicUsize::new(0),
            settled: AtomicI64::new(i64::MIN),
            consumer_gone: AtomicBool::new(false),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }
}

struct Item<T> {
    packet: Packet<T>,
    entered: Instant,
}

/// The producer's end.
pub(crate) struct EdgeTx<T> {
    open: Option<Open<T>>,
    lane: Arc<Lane>,
    consumer: Arc<NodeState>,
    shared: Arc<Shared>,
}

struct Open<T> {
    queue: Sender<Item<T>>,
    /// A second receiver, to take the oldest packet out; only where the policy needs it, because it keeps the
    /// channel connected.
    oldest: Option<Receiver<Item<T>>>,
    /// Wakes a consumer that has nothing to read when only the bound has moved.
    bell: Sender<()>,
}

/// The consumer's end.
pub(crate) struct EdgeRx<T> {
    queue: Receiver<Item<T>>,
    bell: Receiver<()>,
    lane: Arc<Lane>,
    consumer: Arc<NodeState>,
    shared: Arc<Shared>,
    told: MediaTime,
}

/// What a consumer finds.
pub(crate) enum Found<T> {
    /// The next packet and when it entered the queue.
    Packet(Packet<T>, Instant),
    /// The queue is empty and nothing earlier than this will come.
    Bound(MediaTime),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    End,
}

pub(crate) fn edge<T: Payload>(
    lane: &Arc<Lane>,
    consumer: &Arc<NodeState>,
    shared: &Arc<Shared>,
) -> (EdgeTx<T>, EdgeRx<T>) {
    let (queue_tx, queue_rx) = bounded(lane.edge.capacity.max(1));
    let (bell_tx, bell_rx) = bounded(1);
    let oldest = (lane.edge.when_full == WhenFull::DropOldest).then(|| queue_rx.clone());
    let tx = EdgeTx {
        open: Some(Open {
            queue: queue_tx,
            oldest,
            bell: bell_tx,
        }),
        lane: Arc::clone(lane),
        consumer: Arc::clone(consumer),
        shared: Arc::clone(shared),
    };
    let rx = EdgeRx {
        queue: queue_rx,
        bell: bell_rx,
        lane: Arc::clone(lane),
        consumer: Arc::clone(consumer),
        shared: Arc::clone(shared),
        told: MediaTime::MIN,
    };
    (tx, rx)
}

impl<T: Payload> EdgeTx<T> {
    fn lose(&self, reason: DropReason, pts: MediaTime) {
        self.shared.count_drop(&self.consumer, reason, pts);
    }

    /// Queues an item by the policy of the edge; returns whether this very item is in the queue now.
    fn queue(&self, open: &Open<T>, item: Item<T>) -> bool {
        let pts = item.packet.pts;
        match self.lane.edge.when_full {
            WhenFull::DropOldest => self.queue_newest(open, item),
            WhenFull::DropNewest => match open.queue.try_send(item) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    self.lose(DropReason::EdgeFullNewest, pts);
                    false
                }
                Err(TrySendError::Disconnected(_)) => {
                    self.lose(DropReason::ConsumerGone, pts);
                    false
                }
            },
            // `Auto` was resolved while building.
            WhenFull::Block | WhenFull::Auto => self.queue_or_wait(open, item),
        }
    }

    fn queue_newest(&self, open: &Open<T>, mut item: Item<T>) -> bool {
        let pts = item.packet.pts;
        loop {
            match open.queue.try_send(item) {
                Ok(()) => break,
                Err(TrySendError::Full(refused)) => {
                    item = refused;
                    // The consumer may have been quicker; then there is room now.
                    if let Some(Ok(oldest)) = open.oldest.as_ref().map(Receiver::try_recv) {
                        self.lose(DropReason::EdgeFullOldest, oldest.packet.pts);
                    }
                }
                Err(TrySendError::Disconnected(_)) => {
                    self.lose(DropReason::ConsumerGone, pts);
                    return false;
                }
            }
        }
        // Our own second receiver hides that the consumer has left.
        if self.lane.consumer_gone.load(Ordering::SeqCst) {
            while let Some(Ok(left)) = open.oldest.as_ref().map(Receiver::try_recv) {
                self.lose(DropReason::ConsumerGone, left.packet.pts);
            }
            return false;
        }
        true
    }

    fn queue_or_wait(&self, open: &Open<T>, item: Item<T>) -> bool {
        let pts = item.packet.pts;
        let item = match open.queue.try_send(item) {
            Ok(()) => return true,
            Err(TrySendError::Full(item)) => item,
            Err(TrySendError::Disconnected(_)) => {
                self.lose(DropReason::ConsumerGone, pts);
                return false;
            }
        };
        let before = Instant::now();
        let lost = select! {
            send(open.queue, item) -> sent => sent.err().map(|_| DropReason::ConsumerGone),
            recv(self.shared.cancel.channel()) -> _ => Some(DropReason::Cancelled),
        };
        self.consumer.counters.add_blocked(before.elapsed());
        if let Some(reason) = lost {
            self.lose(reason, pts);
        }
        lost.is_none()
    }
}

impl<T: Payload> Stage<T> for EdgeTx<T> {
    fn start(&mut self) {}

    fn push(&mut self, packet: Packet<T>, entered: Instant) {
        let Some(open) = &self.open else { return };
        let pts = packet.pts;
        let queued = self.queue(open, Item { packet, entered });
        let depth = open.queue.len();
        self.lane.depth.store(depth, Ordering::Relaxed);
        self.consumer
            .counters
            .high_water
            .fetch_max(depth, Ordering::Relaxed);
        let moved = self.lane.settled.fetch_max(pts.0, Ordering::SeqCst) < pts.0;
        if !queued && moved {
            let _ = open.bell.try_send(());
        }
    }

    fn bound(&mut self, bound: MediaTime) {
        let Some(open) = &self.open else { return };
        if self.lane.settled.fetch_max(bound.0, Ordering::SeqCst) < bound.0 {
            // A full bell already rings.
            let _ = open.bell.try_send(());
        }
    }

    fn end(&mut self) {
        self.open = None;
    }
}

impl<T: Payload> EdgeRx<T> {
    /// Looks without waiting.
    pub(crate) fn poll(&mut self) -> Found<T> {
        // Order matters: whoever moves the bound after this rings again.
        let _ = self.bell.try_recv();
        let settled = MediaTime(self.lane.settled.load(Ordering::SeqCst));
        match self.queue.try_recv() {
            Ok(item) => self.taken(item),
            Err(TryRecvError::Empty) if settled > self.told => {
                self.told = settled;
                Found::Bound(settled)
            }
            Err(TryRecvError::Empty) => Found::Nothing,
            Err(TryRecvError::Disconnected) => Found::End,
        }
    }

    /// Waits for a packet, a bound, the end, or the cancellation of the run (which is an end too).
    pub(crate) fn next(&mut self, cancel: &StopToken) -> Found<T> {
        loop {
            if cancel.is_raised() {
                return Found::End;
            }
            match self.poll() {
                Found::Nothing => {}
                found => return found,
            }
            select! {
                recv(self.queue) -> item => return item.map_or(Found::End, |item| self.taken(item)),
                recv(self.bell) -> _ => {}
                recv(cancel.channel()) -> _ => return Found::End,
            }
        }
    }

    /// Makes a selection wake when there may be something to find.
    pub(crate) fn register<'a>(&'a self, selection: &mut Select<'a>) {
        selection.recv(&self.queue);
        selection.recv(&self.bell);
    }

    fn taken(&mut self, item: Item<T>) -> Found<T> {
        self.lane.depth.store(self.queue.len(), Ordering::Relaxed);
        self.told = self.told.max(item.packet.pts);
        Found::Packet(item.packet, item.entered)
    }
}

impl<T> Drop for EdgeRx<T> {
    fn drop(&mut self) {
        self.lane.consumer_gone.store(true, Ordering::SeqCst);
        let reason = if self.shared.cancel.is_raised() {
            DropReason::Cancelled
        } else {
            DropReason::ConsumerGone
        };
        while let Ok(item) = self.queue.try_recv() {
            self.shared
                .count_drop(&self.consumer, reason, item.packet.pts);
        }
        self.lane.depth.store(0, Ordering::Relaxed);
    }
}
