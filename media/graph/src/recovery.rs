//! What happens after a node's error: report, then drop, restart or fail (pipeline 2.4).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::error::{NodeError, RunError};
use crate::event::EventKind;
use crate::node_state::NodeState;
use crate::packet::MediaTime;
use crate::policy::{BackOff, ErrorPolicy};
use crate::shared::Shared;
use crate::token::StopToken;

/// Wait of a source with policy `drop` after an error, so that a broken device does not spin.
const DROP_PAUSE: Duration = Duration::from_millis(100);

/// Where an error came up; decides what the policy `drop` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// While a packet was processed: the packet can be dropped.
    Packet,
    /// While a source was waiting: it can be asked again.
    Source,
    /// While starting or closing: there is nothing to drop.
    LifeCycle,
}

/// An error and the moment it belongs to.
#[derive(Debug)]
pub(crate) struct Trouble<'a> {
    pub(crate) kind: TroubleKind,
    pub(crate) step: u64,
    pub(crate) pts: Option<MediaTime>,
    pub(crate) error: &'a NodeError,
}

impl Shared {
    /// Makes an error known; what happens to the run is decided by the caller.
    pub(crate) fn report(
        &self,
        node: &NodeState,
        step: u64,
        pts: Option<MediaTime>,
        error: &NodeError,
    ) {
        node.counters.errors.fetch_add(1, Relaxed);
        self.event(
            &node.name,
            EventKind::Error {
                pts,
                chain: error.chain(),
            },
        );
        self.tell(|hooks| hooks.on_stream_error(&node.step(step, pts), error));
    }

    /// Ends the run because of `error`; the first failure is the one that is kept.
    pub(crate) fn fail(&self, node: &str, pts: Option<MediaTime>, error: &NodeError) {
        let first = self.keep_failure(RunError {
            node: node.to_owned(),
            pts,
            chain: error.chain(),
        });
        if first {
            self.tell(|hooks| hooks.on_run_error(&self.name, node, error));
        }
        self.raise_cancel();
    }

    /// Applies the node's policy after a reported error. Returns whether the node may go on; if not, the run is
    /// ending. `patience` cuts the back-off short.
    pub(crate) fn recover(
        &self,
        node: &NodeState,
        trouble: &Trouble<'_>,
        back_off: &mut BackOff,
        patience: &StopToken,
        start: &mut dyn FnMut() -> Result<(), NodeError>,
    ) -> bool {
        self.report(node, trouble.step, trouble.pts, trouble.error);
        match node.policy {
            ErrorPolicy::Drop if trouble.kind == TroubleKind::Packet => true,
            ErrorPolicy::Drop if trouble.kind == TroubleKind::Source => !patience.wait(DROP_PAUSE),
            ErrorPolicy::Fail | ErrorPolicy::Drop => {
                self.fail(&node.name, trouble.pts, trouble.error);
                false
            }
            ErrorPolicy::Restart { .. } => self.restart(node, trouble, back_off, patience, start),
        }
    }

    fn restart(
        &self,
        node: &NodeState,
        trouble: &Trouble<'_>,
        back_off: &mut BackOff,
        patience: &StopToken,
        start: &mut dyn FnMut() -> Result<(), NodeError>,
    ) -> bool {
        let mut last = None;
        loop {
            let Some((attempt, after)) = back_off.next(Instant::now()) else {
                self.fail(
                    &node.name,
                    trouble.pts,
                    last.as_ref().unwrap_or(trouble.error),
                );
                return false;
            };
            node.counters.restarts.fetch_add(1, Relaxed);
            self.event(&node.name, EventKind::Restart { attempt, after });
            self.tell(|hooks| hooks.on_restart(&node.name, attempt, after));
            if patience.wait(after) {
                return false;
            }
            match guard(&mut *start) {
                Ok(()) => return true,
                Err(error) => {
                    self.report(node, trouble.step, None, &error);
                    last = Some(error);
                }
            }
        }
    }
}

/// Calls a node; a panic becomes an error.
pub(crate) fn guard<R>(call: impl FnOnce() -> Result<R, NodeError>) -> Result<R, NodeError> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(NodeError::from_panic(payload.as_ref())))
}
