//! What a run reports while it runs: events for the operator, hooks for the program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use crate::error::NodeError;
use crate::packet::MediaTime;
use crate::run::Status;
use crate::stats::DropReason;

const KEPT_EVENTS: usize = 256;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Time since the run started.
    pub since_start: Duration,
    /// Name of the node.
    pub node: String,
    /// What happened.
    pub kind: EventKind,
}

/// Kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// The node reported an error or panicked.
    Error {
        /// Media time of the packet at hand, if there was one.
        pts: Option<MediaTime>,
        /// Error and causes, outermost first.
        chain: Vec<String>,
    },
    /// The node will be started again.
    Restart {
        /// Number of the attempt in this row, from 1.
        attempt: u32,
        /// Wait before it.
        after: Duration,
    },
    /// The source delivered its last packet.
    SourceEnded,
    /// The sink saw the end of its stream and was closed.
    SinkEnded,
    /// The node did not end in time and was left behind.
    Abandoned,
}

/// One call of a node, for hooks.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Name of the node.
    pub node: &'a str,
    /// Number of the packet at this node, from 0.
    pub step: u64,
    /// Media time of the packet; `None` outside of a packet (start, flush, finish).
    pub pts: Option<MediaTime>,
    /// Packets still waiting before the node.
    pub queue_depth: usize,
}

/// Called while a run goes on, on the thread of the node concerned: return quickly. A panic in a hook is caught and ignored.
pub trait Hooks: Send + Sync + 'static {
    /// The run starts.
    fn on_run_start(&self, _run: &str) {}
    /// The last node has ended.
    fn on_run_end(&self, _run: &str, _status: Status) {}
    /// A node failed and the run ends because of it.
    fn on_run_error(&self, _run: &str, _node: &str, _error: &NodeError) {}
    /// A node begins with a packet (a source: it has produced one).
    fn on_stream_start(&self, _step: &Step<'_>) {}
    /// A node has processed a packet.
    fn on_stream_end(&self, _step: &Step<'_>) {}
    /// A node reported an error.
    fn on_stream_error(&self, _step: &Step<'_>, _error: &NodeError) {}
    /// A packet was lost; counted too, in the node's statistics.
    fn on_drop(&self, _node: &str, _reason: DropReason, _pts: MediaTime) {}
    /// A node will be started again.
    fn on_restart(&self, _node: &str, _attempt: u32, _after: Duration) {}
}

/// Hooks that do nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {}

/// Hooks that log: errors as `error`, restarts as `warn`, life cycle as `info`, drops and packets as `trace`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogHooks;

impl Hooks for LogHooks {
    fn on_run_start(&self, run: &str) {
        tracing::info!(run, "graph started");
    }

    fn on_run_end(&self, run: &str, status: Status) {
        tracing::info!(run, ?status, "graph ended");
    }

    fn on_run_error(&self, run: &str, node: &str, error: &NodeError) {
        tracing::error!(run, node, cause = error.chain().join(": "), "graph failed");
    }

    fn on_stream_error(&self, step: &Step<'_>, error: &NodeError) {
        let pts_ns = step.pts.map(|pts| pts.0);
        tracing::error!(
            node = step.node,
            pts_ns,
            cause = error.chain().join(": "),
            "node reported an error"
        );
    }

    fn on_drop(&self, node: &str, reason: DropReason, pts: MediaTime) {
        tracing::trace!(
            node,
            reason = reason.name(),
            pts_ns = pts.0,
            "packet dropped"
        );
    }

    fn on_restart(&self, node: &str, attempt: u32, after: Duration) {
        tracing::warn!(
            node,
            attempt,
            after_ms = after.as_millis() as u64,
            "node will be started again"
        );
    }
}

/// The last events; older ones are overwritten and counted.
#[derive(Debug)]
pub(crate) struct EventRing {
    queue: ArrayQueue<Event>,
    lost: AtomicU64,
}

impl Default for EventRing {
    fn default() -> Self {
        Self {
            queue: ArrayQueue::new(KEPT_EVENTS),
            lost: AtomicU64::new(0),
        }
    }
}

impl EventRing {
    pub(crate) fn push(&self, event: Event) {
        if self.queue.force_push(event).is_some() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn drain(&self) -> Vec<Event> {
        std::iter::from_fn(|| self.queue.pop())
            .take(KEPT_EVENTS)
            .collect()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
