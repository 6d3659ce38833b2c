//! A graph that is ready to run, and the handle of a run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::draw::{Draw, draw};
use crate::error::{NodeError, RunError, StartError};
use crate::event::{Event, Hooks};
use crate::plan::{Plan, Role};
use crate::shared::Shared;
use crate::stats::NodeStats;
use crate::unit::Unit;

/// How long [`Run::stop`] usually waits for the queues to empty.
pub const DEFAULT_STOP_DEADLINE: Duration = Duration::from_secs(2);

/// Share of the deadline that is kept for closing after the drain was given up.
const CLOSING_SHARE: u32 = 4;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Packets flow.
    Running,
    /// Sources have been told to end, queues are emptying.
    Draining,
    /// All sinks saw the end of their streams.
    Completed,
    /// Ended by [`Run::stop`].
    Stopped,
    /// Ended by a node's error.
    Failed,
}

/// What [`Run::stop`] achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// Everything that was queued has been processed.
    pub drained: bool,
    /// Threads that did not end in time and were left behind, by the name of their first node.
    pub abandoned: Vec<String>,
}

/// A checked graph; [`Built::start`] makes threads of it.
pub struct Built {
    plan: Plan,
    shared: Arc<Shared>,
    units: Vec<Unit>,
}

/// A run. Dropping the handle stops it within [`DEFAULT_STOP_DEADLINE`].
pub struct Run {
    shared: Arc<Shared>,
}

impl Built {
    pub(crate) fn new(plan: Plan, shared: Arc<Shared>, units: Vec<Unit>) -> Self {
        Self {
            plan,
            shared,
            units,
        }
    }

    /// Draws the graph.
    pub fn draw(&self, form: Draw) -> String {
        draw(&self.plan, form)
    }

    /// Names of the threads the run will have: those of the nodes that head them.
    pub fn threads(&self) -> Vec<&str> {
        self.units.iter().map(|unit| unit.name.as_str()).collect()
    }

    /// Starts all nodes, then the sources. Returns at once; errors of nodes come through the handle.
    pub fn start(self, hooks: impl Hooks) -> Result<Run, StartError> {
        let Self {
            plan,
            shared,
            units,
        } = self;
        // `start` takes the graph by value, so both cells are empty.
        let _ = shared.hooks.set(Box::new(hooks));
        let _ = shared.started.set(Instant::now());
        let sinks = plan
            .nodes
            .iter()
            .filter(|node| node.role == Role::Sink)
            .count();
        shared.begin(units.iter().map(|unit| unit.name.clone()).collect(), sinks);
        shared.tell(|hooks| hooks.on_run_start(&shared.name));
        let mut refused = None;
        for Unit { name, node, body } in units {
            let of_thread = Arc::clone(&shared);
            let spawned = if refused.is_some() {
                // The rest of the graph is not started; its nodes count as ended.
                Err(None)
            } else {
                let (thread, unit) = (thread::Builder::new().name(name.clone()), name.clone());
                thread
                    .spawn(move || run_unit(&of_thread, &unit, &node.name, body))
                    .map_err(Some)
            };
            if let Err(error) = spawned {
                shared.raise_cancel();
                shared.unit_ended(&name);
                refused = refused.or(error.map(|source| StartError::Thread { node: name, source }));
            }
        }
        let run = Run { shared };
        match refused {
            None => Ok(run),
            Some(error) => {
                run.stop(DEFAULT_STOP_DEADLINE);
                Err(error)
            }
        }
    }
}

fn run_unit(shared: &Arc<Shared>, unit: &str, node: &str, body: Box<dyn FnOnce() + Send>) {
    // Nodes are guarded one by one; this catches what is left, so that the run always learns of its end.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
        shared.fail(node, None, &NodeError::from_panic(panic.as_ref()));
    }
    shared.unit_ended(unit);
}

impl Run {
    /// Where the run stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Waits for the end, at most `timeout`. The status says whether it has ended; a failed run is an error.
    pub fn wait(&self, timeout: Duration) -> Result<Status, RunError> {
        self.shared.wait_ended(timeout);
        self.shared.failure().map_or_else(|| Ok(self.status()), Err)
    }

    /// Ends the run: sources stop, queues are emptied; after three quarters of the deadline what is left is
    /// dropped and all sinks are closed. Always returns within the deadline; threads that block longer are left
    /// behind and named in the report.
    pub fn stop(&self, deadline: Duration) -> StopReport {
        let closing = deadline / CLOSING_SHARE;
        self.shared.ask_stop();
        let drained = self.shared.wait_ended(deadline.saturating_sub(closing))
            && self.shared.failure().is_none();
        if drained {
            return StopReport {
                drained,
                abandoned: Vec::new(),
            };
        }
        self.shared.raise_cancel();
        let ended = self.shared.wait_ended(closing);
        let abandoned = if ended {
            Vec::new()
        } else {
            self.shared.abandon_running()
        };
        StopReport { drained, abandoned }
    }

    /// Counters of all nodes, in the order in which they were added.
    pub fn stats(&self) -> Vec<NodeStats> {
        let running_for = self.shared.since_start();
        self.shared
            .nodes
            .iter()
            .map(|node| node.snapshot(running_for))
            .collect()
    }

    /// Counters of one node.
    pub fn stats_of(&self, node: &str) -> Option<NodeStats> {
        let running_for = self.shared.since_start();
        self.shared
            .nodes
            .iter()
            .find(|known| known.name == node)
            .map(|node| node.snapshot(running_for))
    }

    /// Takes the events since the last call, oldest first; at most the last 256 are kept.
    pub fn events(&self) -> Vec<Event> {
        self.shared.events.drain()
    }

    /// Events that were overwritten before anybody took them.
    pub fn events_lost(&self) -> u64 {
        self.shared.events.lost()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if matches!(
            self.status(),
            Status::Running | Status::Draining | Status::Failed
        ) {
            self.stop(DEFAULT_STOP_DEADLINE);
        }
    }
}
