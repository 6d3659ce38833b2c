//! The pull side of a thread: what feeds its stages.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crossbeam::channel::Select;

use crate::edge::{EdgeRx, Found};
use crate::error::NodeError;
use crate::node::{Emit, Emitter, Source, SourceContext};
use crate::node_state::NodeState;
use crate::packet::{MediaTime, Packet, Payload};
use crate::policy::{BackOff, ErrorPolicy};
use crate::recovery::{Trouble, TroubleKind, guard};
use crate::shared::Shared;
use crate::stage::{Outlet, Stage};

/// One thread of a run.
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) node: Arc<NodeState>,
    pub(crate) body: Box<dyn FnOnce() + Send>,
}

/// A source and what it feeds.
pub(crate) struct SourceUnit<S: Source> {
    pub(crate) source: S,
    pub(crate) outlet: Outlet<S::Out>,
    pub(crate) node: Arc<NodeState>,
    pub(crate) shared: Arc<Shared>,
}

impl<S: Source> SourceUnit<S> {
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let ctx = SourceContext::new(self.node.name.clone(), shared.drain.clone());
        self.outlet.start();
        shared.ready();
        shared.wait_ready();
        if !shared.drain.is_raised() {
            self.produce(&ctx);
            let source = &mut self.source;
            if let Err(error) = guard(|| {
                source.stop();
                Ok(())
            }) {
                shared.report(&self.node, 0, None, &error);
            }
        }
        self.outlet.end();
        shared.source_ended(&self.node);
    }

    fn produce(&mut self, ctx: &SourceContext) {
        let (node, shared, source) = (&self.node, &self.shared, &mut self.source);
        let max = if let ErrorPolicy::Restart { max } = node.policy {
            max
        } else {
            None
        };
        let mut back_off = BackOff::new(max);
        let mut step = 0;
        if let Err(error) = guard(|| source.start(ctx)) {
            let trouble = Trouble {
                kind: TroubleKind::LifeCycle,
                step,
                pts: None,
                error: &error,
            };
            if !shared.recover(node, &trouble, &mut back_off, &shared.drain, &mut || {
                source.start(ctx)
            }) {
                return;
            }
        }
        while !shared.drain.is_raised() {
            match guard(|| source.next(ctx)) {
                Ok(Some(packet)) => {
                    let pts = packet.pts;
                    shared.tell(|hooks| hooks.on_stream_start(&node.step(step, Some(pts))));
                    self.outlet.emit(packet);
                    shared.tell(|hooks| hooks.on_stream_end(&node.step(step, Some(pts))));
                    step += 1;
                    if shared.once {
                        return;
                    }
                }
                Ok(None) => return,
                Err(NodeError::Interrupted) if shared.drain.is_raised() => return,
                Err(error) => {
                    let trouble = Trouble {
                        kind: TroubleKind::Source,
                        step,
                        pts: None,
                        error: &error,
                    };
                    if !shared.recover(node, &trouble, &mut back_off, &shared.drain, &mut || {
                        source.start(ctx)
                    }) {
                        return;
                    }
                }
            }
        }
    }
}

/// Reads one edge into the stages of a thread until its end.
pub(crate) fn run_edge<T: Payload>(
    mut edge: EdgeRx<T>,
    mut stage: Box<dyn Stage<T>>,
    shared: &Shared,
) {
    stage.start();
    shared.ready();
    loop {
        match edge.next(&shared.cancel) {
            Found::Packet(packet, entered) => stage.push(packet, entered),
            Found::Bound(bound) => stage.bound(bound),
            Found::Nothing => {}
            Found::End => break,
        }
    }
    // What is left in the queue is counted before the sinks behind us report their end.
    drop(edge);
    stage.end();
}

/// One input of a merge, with its payload already in the form the merge works on.
pub(crate) trait Port<M>: Send {
    fn poll(&mut self) -> Found<M>;
    fn register<'a>(&'a self, selection: &mut Select<'a>);
}

/// An edge whose payloads are changed to the merge's form.
pub(crate) struct MappedPort<T, F> {
    pub(crate) edge: EdgeRx<T>,
    pub(crate) change: F,
}

impl<T, M, F> Port<M> for MappedPort<T, F>
where
    T: Payload,
    F: Fn(T) -> M + Send,
{
    fn poll(&mut self) -> Found<M> {
        match self.edge.poll() {
            Found::Packet(packet, entered) => Found::Packet(packet.map(&self.change), entered),
            Found::Bound(bound) => Found::Bound(bound),
            Found::Nothing => Found::Nothing,
            Found::End => Found::End,
        }
    }

    fn register<'a>(&'a self, selection: &mut Select<'a>) {
        self.edge.register(selection);
    }
}

/// The rule of a merge: pure, fed with what arrives at its ports.
pub(crate) trait Join<M, O>: Send {
    /// A packet arrived at `port`.
    fn packet(&mut self, port: usize, packet: Packet<M>, out: &mut Emitter<'_, O>);
    /// Nothing earlier than `bound` will arrive at `port`.
    fn bound(&mut self, port: usize, bound: MediaTime, out: &mut Emitter<'_, O>);
    /// Nothing will arrive at `port` any more. Returns whether the output has ended too.
    fn end(&mut self, port: usize, out: &mut Emitter<'_, O>) -> bool;
    /// Nothing earlier than this will go out.
    fn settled(&self) -> MediaTime;
}

/// A merge and what it feeds.
pub(crate) struct MergeUnit<M, O> {
    pub(crate) ports: Vec<Box<dyn Port<M>>>,
    pub(crate) join: Box<dyn Join<M, O>>,
    pub(crate) outlet: Outlet<O>,
    pub(crate) node: Arc<NodeState>,
    pub(crate) shared: Arc<Shared>,
}

impl<M: Payload, O: Payload> MergeUnit<M, O> {
    pub(crate) fn run(mut self) {
        self.outlet.start();
        self.shared.ready();
        let mut ports: Vec<Option<Box<dyn Port<M>>>> = std::mem::take(&mut self.ports)
            .into_iter()
            .map(Some)
            .collect();
        let mut first = 0;
        while ports.iter().any(Option::is_some) && !self.shared.cancel.is_raised() {
            let mut found_any = false;
            for offset in 0..ports.len() {
                let index = (first + offset) % ports.len();
                let Some(slot) = ports.get_mut(index) else {
                    continue;
                };
                let Some(port) = slot else { continue };
                let found = port.poll();
                if matches!(found, Found::End) {
                    *slot = None;
                }
                if matches!(found, Found::Nothing) {
                    continue;
                }
                found_any = true;
                if self.handle(index, found) {
                    ports.clear();
                    break;
                }
            }
            // Whoever was served first is served last in the next round.
            first = (first + 1) % ports.len().max(1);
            if !found_any {
                wait_for_any(&ports, &self.shared);
            }
        }
        drop(ports);
        self.outlet.end();
    }

    /// Gives a finding to the rule; returns whether the output has ended.
    fn handle(&mut self, port: usize, found: Found<M>) -> bool {
        let counters = &self.node.counters;
        let losses = self.shared.losses(&self.node);
        let mut emitter = Emitter::new(&mut self.outlet, &losses);
        let join = &mut self.join;
        let begun = Instant::now();
        let mut ended = false;
        match found {
            Found::Packet(packet, entered) => {
                counters.packets_in.fetch_add(1, Relaxed);
                join.packet(port, packet, &mut emitter);
                counters.latency.record(entered.elapsed());
            }
            Found::Bound(bound) => join.bound(port, bound, &mut emitter),
            Found::End => ended = join.end(port, &mut emitter),
            Found::Nothing => {}
        }
        counters.add_busy(begun.elapsed().saturating_sub(emitter.downstream()));
        let settled = join.settled();
        if !ended {
            self.outlet.bound(settled);
        }
        ended
    }
}

fn wait_for_any<M>(ports: &[Option<Box<dyn Port<M>>>], shared: &Shared) {
    let mut selection = Select::new();
    for port in ports.iter().flatten() {
        port.register(&mut selection);
    }
    selection.recv(shared.cancel.channel());
    selection.ready();
}
