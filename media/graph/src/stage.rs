//! The push side of a thread: outlets, layers and sinks that run one after the other without a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::error::NodeError;
use crate::node::{Emit, Emitter, Layer, Sink};
use crate::node_state::NodeState;
use crate::packet::{MediaTime, Packet, Payload};
use crate::policy::{BackOff, ErrorPolicy};
use crate::recovery::{Trouble, TroubleKind, guard};
use crate::shared::Shared;
use crate::stats::DropReason;

/// Something packets are pushed into. Errors are handled inside; callers look at the run's cancel token.
pub(crate) trait Stage<T>: Send {
    /// Starts the nodes of this thread from here on.
    fn start(&mut self);
    /// Takes a packet; `entered` is when it entered the edge or left the node before.
    fn push(&mut self, packet: Packet<T>, entered: Instant);
    /// Nothing earlier than `bound` will come.
    fn bound(&mut self, bound: MediaTime);
    /// Nothing will come any more. Called once.
    fn end(&mut self);
}

/// The consumers of a node's output.
pub(crate) struct Outlet<T> {
    node: Arc<NodeState>,
    consumers: Vec<Box<dyn Stage<T>>>,
    next_seq: u64,
    bound: MediaTime,
}

impl<T: Payload> Outlet<T> {
    pub(crate) fn new(node: Arc<NodeState>, consumers: Vec<Box<dyn Stage<T>>>) -> Self {
        Self {
            node,
            consumers,
            next_seq: 0,
            bound: MediaTime::MIN,
        }
    }

    pub(crate) fn start(&mut self) {
        for consumer in &mut self.consumers {
            consumer.start();
        }
    }

    pub(crate) fn bound(&mut self, bound: MediaTime) {
        if bound > self.bound {
            self.bound = bound;
            for consumer in &mut self.consumers {
                consumer.bound(bound);
            }
        }
    }

    pub(crate) fn end(&mut self) {
        for consumer in &mut self.consumers {
            consumer.end();
        }
    }
}

impl<T: Payload> Emit<T> for Outlet<T> {
    fn emit(&mut self, mut packet: Packet<T>) {
        packet.seq = self.next_seq;
        self.next_seq += 1;
        self.bound = self.bound.max(packet.pts);
        self.node.counters.packets_out.fetch_add(1, Relaxed);
        let entered = Instant::now();
        if let Some((last, others)) = self.consumers.split_last_mut() {
            for consumer in others {
                consumer.push(packet.clone(), entered);
            }
            last.push(packet, entered);
        }
    }
}

/// What layers and sinks have in common at run time.
struct Seat {
    node: Arc<NodeState>,
    shared: Arc<Shared>,
    back_off: BackOff,
    step: u64,
}

impl Seat {
    fn new(node: Arc<NodeState>, shared: Arc<Shared>) -> Self {
        let max = if let ErrorPolicy::Restart { max } = node.policy {
            max
        } else {
            None
        };
        Self {
            node,
            shared,
            back_off: BackOff::new(max),
            step: 0,
        }
    }

    /// Whether the packet may be processed; otherwise it is counted as cancelled.
    fn admit(&mut self, pts: MediaTime) -> bool {
        if self.shared.cancel.is_raised() {
            self.shared
                .count_drop(&self.node, DropReason::Cancelled, pts);
            return false;
        }
        self.node.counters.packets_in.fetch_add(1, Relaxed);
        self.shared
            .tell(|hooks| hooks.on_stream_start(&self.node.step(self.step, Some(pts))));
        true
    }

    fn processed(&mut self, pts: MediaTime, entered: Instant, busy: std::time::Duration) {
        self.node.counters.add_busy(busy);
        self.node.counters.latency.record(entered.elapsed());
        self.shared
            .tell(|hooks| hooks.on_stream_end(&self.node.step(self.step, Some(pts))));
        self.step += 1;
    }

    fn trouble(
        &mut self,
        kind: TroubleKind,
        pts: Option<MediaTime>,
        error: &NodeError,
        start: &mut dyn FnMut() -> Result<(), NodeError>,
    ) {
        let stopping = self.shared.drain.is_raised();
        if let Some(pts) = pts {
            let interrupted = stopping && matches!(error, NodeError::Interrupted);
            let reason = if interrupted {
                DropReason::Cancelled
            } else {
                DropReason::Error
            };
            self.shared.count_drop(&self.node, reason, pts);
            if interrupted {
                return;
            }
        }
        let trouble = Trouble {
            kind,
            step: self.step,
            pts,
            error,
        };
        let cancel = self.shared.cancel.clone();
        self.shared
            .recover(&self.node, &trouble, &mut self.back_off, &cancel, start);
    }
}

/// A layer and what it feeds.
pub(crate) struct LayerStage<L: Layer> {
    seat: Seat,
    layer: L,
    outlet: Outlet<L::Out>,
}

impl<L: Layer> LayerStage<L> {
    pub(crate) fn new(
        layer: L,
        outlet: Outlet<L::Out>,
        node: Arc<NodeState>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            seat: Seat::new(node, shared),
            layer,
            outlet,
        }
    }

    fn forward_bound(&mut self, input: MediaTime) {
        let layer = &self.layer;
        // A layer that cannot tell its bound makes no promise.
        if let Ok(bound) = guard(|| Ok(layer.settled(input))) {
            self.outlet.bound(bound);
        }
    }
}

impl<L: Layer> Stage<L::In> for LayerStage<L> {
    fn start(&mut self) {
        let layer = &mut self.layer;
        if let Err(error) = guard(|| layer.start()) {
            self.seat
                .trouble(TroubleKind::LifeCycle, None, &error, &mut || layer.start());
        }
        self.outlet.start();
    }

    fn push(&mut self, packet: Packet<L::In>, entered: Instant) {
        let pts = packet.pts;
        if !self.seat.admit(pts) {
            return;
        }
        let begun = Instant::now();
        let (layer, outlet) = (&mut self.layer, &mut self.outlet);
        let losses = self.seat.shared.losses(&self.seat.node);
        let mut emitter = Emitter::new(outlet, &losses);
        let result = guard(|| layer.process(packet, &mut emitter));
        let busy = begun.elapsed().saturating_sub(emitter.downstream());
        self.seat.processed(pts, entered, busy);
        if let Err(error) = result {
            self.seat
                .trouble(TroubleKind::Packet, Some(pts), &error, &mut || {
                    layer.start()
                });
        }
        self.forward_bound(pts);
    }

    fn bound(&mut self, bound: MediaTime) {
        self.forward_bound(bound);
    }

    fn end(&mut self) {
        if !self.seat.shared.cancel.is_raised() {
            let (layer, outlet) = (&mut self.layer, &mut self.outlet);
            let losses = self.seat.shared.losses(&self.seat.node);
            if let Err(error) = guard(|| layer.flush(&mut Emitter::new(outlet, &losses))) {
                // There is nothing left to restart for.
                let trouble = Trouble {
                    kind: TroubleKind::LifeCycle,
                    step: self.seat.step,
                    pts: None,
                    error: &error,
                };
                close_trouble(&self.seat, &trouble);
            }
        }
        self.outlet.end();
    }
}

/// A sink at the end of a thread.
pub(crate) struct SinkStage<S: Sink> {
    seat: Seat,
    sink: S,
}

impl<S: Sink> SinkStage<S> {
    pub(crate) fn new(sink: S, node: Arc<NodeState>, shared: Arc<Shared>) -> Self {
        Self {
            seat: Seat::new(node, shared),
            sink,
        }
    }
}

impl<S: Sink> Stage<S::In> for SinkStage<S> {
    fn start(&mut self) {
        let sink = &mut self.sink;
        if let Err(error) = guard(|| sink.start()) {
            self.seat
                .trouble(TroubleKind::LifeCycle, None, &error, &mut || sink.start());
        }
    }

    fn push(&mut self, packet: Packet<S::In>, entered: Instant) {
        let pts = packet.pts;
        if !self.seat.admit(pts) {
            return;
        }
        let begun = Instant::now();
        let sink = &mut self.sink;
        let result = guard(|| sink.consume(packet));
        self.seat.processed(pts, entered, begun.elapsed());
        if let Err(error) = result {
            self.seat
                .trouble(TroubleKind::Packet, Some(pts), &error, &mut || sink.start());
        }
    }

    fn bound(&mut self, _bound: MediaTime) {}

    fn end(&mut self) {
        let sink = &mut self.sink;
        if let Err(error) = guard(|| sink.finish()) {
            let trouble = Trouble {
                kind: TroubleKind::LifeCycle,
                step: self.seat.step,
                pts: None,
                error: &error,
            };
            close_trouble(&self.seat, &trouble);
        }
        self.seat.shared.sink_ended(&self.seat.node);
    }
}

/// An error while closing fails the run unless the node's errors are to be dropped.
fn close_trouble(seat: &Seat, trouble: &Trouble<'_>) {
    seat.shared
        .report(&seat.node, trouble.step, trouble.pts, trouble.error);
    if seat.node.policy != ErrorPolicy::Drop {
        seat.shared
            .fail(&seat.node.name, trouble.pts, trouble.error);
    }
}
