//! One node at run time, as its threads and the statistics see it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::edge::Lane;
use crate::event::Step;
use crate::node::Losses;
use crate::packet::MediaTime;
use crate::plan::NodePlan;
use crate::policy::ErrorPolicy;
use crate::shared::Shared;
use crate::stats::{Counters, DropReason, NodeStats};

/// One node at run time.
#[derive(Debug)]
pub(crate) struct NodeState {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) policy: ErrorPolicy,
    pub(crate) counters: Counters,
    pub(crate) lanes: Vec<Arc<Lane>>,
}

impl NodeState {
    pub(crate) fn new(plan: &NodePlan) -> Self {
        Self {
            name: plan.name.clone(),
            kind: plan.kind,
            policy: plan.policy,
            counters: Counters::default(),
            lanes: plan
                .inputs
                .iter()
                .filter_map(|input| input.edge)
                .map(|edge| Arc::new(Lane::new(edge)))
                .collect(),
        }
    }

    /// The same node with counters that nobody reads.
    pub(crate) fn twin(&self) -> Self {
        Self {
            name: self.name.clone(),
            kind: self.kind,
            policy: self.policy,
            counters: Counters::default(),
            lanes: Vec::new(),
        }
    }

    fn queue_depth(&self) -> usize {
        self.lanes.iter().map(|lane| lane.depth()).sum()
    }

    pub(crate) fn step(&self, step: u64, pts: Option<MediaTime>) -> Step<'_> {
        Step {
            node: &self.name,
            step,
            pts,
            queue_depth: self.queue_depth(),
        }
    }

    pub(crate) fn snapshot(&self, running_for: Duration) -> NodeStats {
        let counters = &self.counters;
        let busy = Duration::from_nanos(counters.busy_ns.load(Relaxed)).as_secs_f64();
        let whole = running_for.as_secs_f64();
        NodeStats {
            node: self.name.clone(),
            kind: self.kind.to_owned(),
            packets_in: counters.packets_in.load(Relaxed),
            packets_out: counters.packets_out.load(Relaxed),
            dropped: counters.dropped(),
            errors: counters.errors.load(Relaxed),
            restarts: counters.restarts.load(Relaxed),
            queue_depth: self.queue_depth(),
            queue_high_water: counters.high_water.load(Relaxed),
            queue_capacity: self
                .lanes
                .iter()
                .map(|lane| lane.edge.capacity)
                .max()
                .unwrap_or(0),
            latency_p50: counters.latency.percentile(0.50),
            latency_p95: counters.latency.percentile(0.95),
            latency_p99: counters.latency.percentile(0.99),
            busy_share: if whole > 0.0 {
                (busy / whole).min(1.0)
            } else {
                0.0
            },
            blocked: Duration::from_nanos(counters.blocked_ns.load(Relaxed)),
        }
    }
}

/// Counts drops for a node and tells the hooks.
pub(crate) struct LossesOf<'a> {
    shared: &'a Shared,
    node: &'a NodeState,
}

impl<'a> LossesOf<'a> {
    pub(crate) fn new(shared: &'a Shared, node: &'a NodeState) -> Self {
        Self { shared, node }
    }
}

impl Losses for LossesOf<'_> {
    fn count_drop(&self, reason: DropReason, pts: MediaTime) {
        self.shared.count_drop(self.node, reason, pts);
    }
}
