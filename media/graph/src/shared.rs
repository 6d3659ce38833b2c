//! What all threads of a run share: stop tokens, progress, events, hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::RunError;
use crate::event::{Event, EventKind, EventRing, Hooks};
use crate::node_state::{LossesOf, NodeState};
use crate::packet::MediaTime;
use crate::policy::StopRule;
use crate::run::Status;
use crate::stats::DropReason;
use crate::token::StopToken;

/// How far the run is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Threads that have not ended, by the name of their first node.
    pub(crate) running: Vec<String>,
    not_ready: usize,
    sinks_left: usize,
    stop_asked: bool,
    failure: Option<RunError>,
}

/// State shared by all threads of a run and its handle.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) nodes: Vec<Arc<NodeState>>,
    pub(crate) stop_rule: StopRule,
    pub(crate) once: bool,
    /// Sources end, the rest empties its queues.
    pub(crate) drain: StopToken,
    /// Everybody ends now; what is queued is dropped.
    pub(crate) cancel: StopToken,
    pub(crate) events: EventRing,
    pub(crate) hooks: OnceLock<Box<dyn Hooks>>,
    pub(crate) started: OnceLock<Instant>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        nodes: Vec<Arc<NodeState>>,
        stop_rule: StopRule,
        once: bool,
    ) -> Self {
        Self {
            name,
            nodes,
            stop_rule,
            once,
            drain: StopToken::new(),
            cancel: StopToken::new(),
            events: EventRing::default(),
            hooks: OnceLock::new(),
            started: OnceLock::new(),
            progress: Mutex::new(Progress::default()),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    pub(crate) fn tell(&self, call: impl FnOnce(&dyn Hooks)) {
        if let Some(hooks) = self.hooks.get() {
            // A hook is a guest on the node's thread: its panic must not be taken for the node's.
            drop(catch_unwind(AssertUnwindSafe(|| call(hooks.as_ref()))));
        }
    }

    pub(crate) fn event(&self, node: &str, kind: EventKind) {
        self.events.push(Event {
            since_start: self.since_start(),
            node: node.to_owned(),
            kind,
        });
    }

    pub(crate) fn count_drop(&self, node: &NodeState, reason: DropReason, pts: MediaTime) {
        node.counters.add_drops(reason, 1);
        self.tell(|hooks| hooks.on_drop(&node.name, reason, pts));
    }

    pub(crate) fn losses<'a>(&'a self, node: &'a NodeState) -> LossesOf<'a> {
        LossesOf::new(self, node)
    }

    /// Keeps the first failure; returns whether this is the one.
    pub(crate) fn keep_failure(&self, failure: RunError) -> bool {
        let mut progress = self.lock();
        let first = progress.failure.is_none();
        progress.failure.get_or_insert(failure);
        first
    }

    pub(crate) fn raise_cancel(&self) {
        self.drain.raise();
        self.cancel.raise();
        // Waiters for readiness look at the token only when woken.
        let progress = self.lock();
        self.changed.notify_all();
        drop(progress);
    }

    pub(crate) fn begin(&self, units: Vec<String>, sinks: usize) {
        let mut progress = self.lock();
        progress.not_ready = units.len();
        progress.running = units;
        progress.sinks_left = sinks;
    }

    /// A thread has started its nodes.
    pub(crate) fn ready(&self) {
        let mut progress = self.lock();
        progress.not_ready = progress.not_ready.saturating_sub(1);
        self.changed.notify_all();
    }

    /// Waits until all threads have started their nodes or the run is cancelled.
    pub(crate) fn wait_ready(&self) {
        let mut progress = self.lock();
        while progress.not_ready > 0 && !self.drain.is_raised() {
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn source_ended(&self, node: &NodeState) {
        self.event(&node.name, EventKind::SourceEnded);
        if self.stop_rule == StopRule::First {
            self.drain.raise();
        }
    }

    pub(crate) fn sink_ended(&self, node: &NodeState) {
        self.event(&node.name, EventKind::SinkEnded);
        let mut progress = self.lock();
        progress.sinks_left = progress.sinks_left.saturating_sub(1);
        let all = progress.sinks_left == 0;
        drop(progress);
        if all {
            // Nothing can come of whoever still runs.
            self.raise_cancel();
        }
    }

    pub(crate) fn unit_ended(&self, unit: &str) {
        self.leave(|running| running.retain(|name| name != unit));
    }

    /// Gives up on the threads that still run; returns their names.
    pub(crate) fn abandon_running(&self) -> Vec<String> {
        let mut left = Vec::new();
        self.leave(|running| left = std::mem::take(running));
        for unit in &left {
            self.event(unit, EventKind::Abandoned);
        }
        left
    }

    fn leave(&self, change: impl FnOnce(&mut Vec<String>)) {
        let mut progress = self.lock();
        let before = progress.running.len();
        change(&mut progress.running);
        let ended = before > 0 && progress.running.is_empty();
        drop(progress);
        if ended {
            self.tell(|hooks| hooks.on_run_end(&self.name, self.status()));
        }
        let progress = self.lock();
        self.changed.notify_all();
        drop(progress);
    }

    pub(crate) fn ask_stop(&self) {
        let mut progress = self.lock();
        progress.stop_asked |= progress.sinks_left > 0;
        drop(progress);
        self.drain.raise();
        let progress = self.lock();
        self.changed.notify_all();
        drop(progress);
    }

    /// Waits until all threads have ended; returns whether they have.
    pub(crate) fn wait_ended(&self, timeout: Duration) -> bool {
        let give_up = Instant::now().checked_add(timeout);
        let mut progress = self.lock();
        while !progress.running.is_empty() {
            let left = give_up.map_or(Duration::from_hours(1), |end| {
                end.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            progress = self
                .changed
                .wait_timeout(progress, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    pub(crate) fn failure(&self) -> Option<RunError> {
        self.lock().failure.clone()
    }

    pub(crate) fn status(&self) -> Status {
        let progress = self.lock();
        if progress.failure.is_some() {
            Status::Failed
        } else if !progress.running.is_empty() {
            if self.drain.is_raised() {
                Status::Draining
            } else {
                Status::Running
            }
        } else if progress.stop_asked {
            Status::Stopped
        } else {
            Status::Completed
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
