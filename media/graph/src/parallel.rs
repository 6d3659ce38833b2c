//! One node on several threads, its output in the order of its input.
//!
//! ```text
//!            ┌─▶ worker 1 ─┐
//! edge ─▶ dispatch         ├─▶ out (waits for each result in turn) ─▶ consumers
//!            └─▶ worker n ─┘
//! ```
//!
//! At most `2 n` packets are between the edge and the consumers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded, select};

use crate::graph::Stream;
use crate::node::{Emit, Layer};
use crate::node_state::NodeState;
use crate::packet::{MediaTime, Packet, Payload};
use crate::shared::Shared;
use crate::stage::{LayerStage, Outlet, Stage};
use crate::stats::DropReason;
use crate::wiring::{Wiring, add_layer_node};

impl<T: Payload> Stream<T> {
    /// Adds a layer that works on up to `copies` packets at a time (at least one), each copy on a thread of its own, behind
    /// an [`Edge`](crate::Edge). The output keeps the order of the input. The layer must not keep anything from packet
    /// to packet: each copy sees only some of them, in no particular rhythm.
    pub fn apply_parallel<L: Layer<In = T>>(
        &self,
        name: &str,
        copies: usize,
        make: impl Fn() -> L,
    ) -> Stream<L::Out> {
        let layers: Vec<L> = (0..copies.max(1)).map(|_| make()).collect();
        let kind = layers.first().map_or("parallel", Layer::kind);
        let (node, slot) = add_layer_node(self.draft(), name, kind, self.number());
        let consumers = std::rc::Rc::clone(&slot);
        self.attach(move |wiring| {
            let node = wiring.node(node);
            let outlet = wiring.outlet(&node, &consumers);
            let dispatch = wire(wiring, &node, outlet, layers);
            wiring.behind_edge(&node, Box::new(dispatch))
        });
        Stream::new(std::rc::Rc::clone(self.draft()), node, slot)
    }
}

/// A packet for whichever worker is free.
struct Job<A, B> {
    packet: Packet<A>,
    entered: Instant,
    done: Sender<Vec<Packet<B>>>,
}

/// What goes out next.
enum Slot<B> {
    /// The results of a packet at this time.
    Packet(MediaTime, Receiver<Vec<Packet<B>>>),
    /// Nothing earlier than this will come.
    Bound(MediaTime),
}

type Queues<A, B> = (Sender<Job<A, B>>, Sender<Slot<B>>);

struct Dispatch<A, B> {
    open: Option<Queues<A, B>>,
    node: Arc<NodeState>,
    shared: Arc<Shared>,
}

fn wire<L: Layer>(
    wiring: &mut Wiring,
    node: &Arc<NodeState>,
    outlet: Outlet<L::Out>,
    layers: Vec<L>,
) -> Dispatch<L::In, L::Out> {
    let (job_tx, job_rx) = bounded::<Job<L::In, L::Out>>(layers.len());
    let (slot_tx, slot_rx) = bounded(2 * layers.len());
    for (number, layer) in layers.into_iter().enumerate() {
        let tray = Tray::default();
        // The outlet behind all workers counts what goes out; this one only leads into the tray.
        let uncounted = Outlet::new(
            Arc::new(node.twin()),
            vec![Box::new(tray.clone()) as Box<_>],
        );
        let shared = Arc::clone(&wiring.shared);
        let stage = LayerStage::new(layer, uncounted, Arc::clone(node), Arc::clone(&shared));
        let jobs = job_rx.clone();
        let name = format!("{}#{}", node.name, number + 1);
        wiring.named_unit(name, node, move || work(&jobs, stage, &tray, &shared));
    }
    let shared = Arc::clone(&wiring.shared);
    let name = format!("{}#out", node.name);
    wiring.named_unit(name, node, move || hand_out(&slot_rx, outlet, &shared));
    Dispatch {
        open: Some((job_tx, slot_tx)),
        node: Arc::clone(node),
        shared: Arc::clone(&wiring.shared),
    }
}

impl<A: Payload, B: Payload> Stage<A> for Dispatch<A, B> {
    fn start(&mut self) {}

    fn push(&mut self, packet: Packet<A>, entered: Instant) {
        let Some((jobs, slots)) = &self.open else {
            return;
        };
        let (pts, cancel) = (packet.pts, self.shared.cancel.channel());
        let (done, results) = bounded(1);
        let job = Job {
            packet,
            entered,
            done,
        };
        // The place in line first: a result may be there before the next packet is.
        let queued = select! {
            send(slots, Slot::Packet(pts, results)) -> sent => sent.is_ok(),
            recv(cancel) -> _ => false,
        };
        let taken = queued
            && select! {
                send(jobs, job) -> sent => sent.is_ok(),
                recv(cancel) -> _ => false,
            };
        if !taken {
            self.shared
                .count_drop(&self.node, DropReason::Cancelled, pts);
        }
    }

    fn bound(&mut self, bound: MediaTime) {
        if let Some((_, slots)) = &self.open {
            // A full line is news enough: the bound comes with one of the packets in it or after it.
            let _ = slots.try_send(Slot::Bound(bound));
        }
    }

    fn end(&mut self) {
        self.open = None;
    }
}

/// Ends when the dispatcher has; what is queued after a cancel is counted by the stage.
fn work<L: Layer>(
    jobs: &Receiver<Job<L::In, L::Out>>,
    mut stage: LayerStage<L>,
    tray: &Tray<L::Out>,
    shared: &Shared,
) {
    stage.start();
    shared.ready();
    for job in jobs {
        stage.push(job.packet, job.entered);
        // Nobody waits for it after a cancel.
        let _ = job.done.send(tray.take());
    }
    stage.end();
}

fn hand_out<B: Payload>(slots: &Receiver<Slot<B>>, mut outlet: Outlet<B>, shared: &Shared) {
    outlet.start();
    shared.ready();
    let cancel = shared.cancel.channel();
    loop {
        let slot = select! {
            recv(slots) -> slot => slot,
            recv(cancel) -> _ => break,
        };
        match slot {
            Err(_) => break,
            Ok(Slot::Bound(bound)) => outlet.bound(bound),
            Ok(Slot::Packet(pts, results)) => {
                let results = select! {
                    recv(results) -> results => results.unwrap_or_default(),
                    recv(cancel) -> _ => break,
                };
                for packet in results {
                    outlet.emit(packet);
                }
                outlet.bound(pts);
            }
        }
    }
    outlet.end();
}

/// Where a worker's outputs lie until the packet is done.
struct Tray<B> {
    packets: Arc<Mutex<Vec<Packet<B>>>>,
}

impl<B> Default for Tray<B> {
    fn default() -> Self {
        Self {
            packets: Arc::default(),
        }
    }
}

impl<B> Clone for Tray<B> {
    fn clone(&self) -> Self {
        Self {
            packets: Arc::clone(&self.packets),
        }
    }
}

impl<B> Tray<B> {
    fn take(&self) -> Vec<Packet<B>> {
        std::mem::take(&mut *self.packets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B: Payload> Stage<B> for Tray<B> {
    fn start(&mut self) {}

    fn push(&mut self, packet: Packet<B>, _entered: Instant) {
        self.packets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(packet);
    }

    fn bound(&mut self, _bound: MediaTime) {}

    fn end(&mut self) {}
}
