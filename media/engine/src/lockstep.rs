//! Keeps picture and sound of a source without a clock of its own together.
//!
//! A fast source hands out sound far quicker than pictures can be measured. Sound that ran ahead would push the samples of
//! a window out of the ring before its last frame arrives, so either branch waits here while it leads by more than
//! [`LEAD_NS`]. A branch that has ended, or that does not move for [`STALL`] although the other waits, holds nobody up.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsie_graph::{Emitter, Layer, NodeError, Packet};

/// How far one branch may lead in media time; what waits behind it in queues comes on top.
const LEAD_NS: i64 = 5_000_000_000;
/// A branch without any movement for this long is no longer waited for.
const STALL: Duration = Duration::from_secs(10);

/// The two branches of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    /// Frames.
    Picture,
    /// Sound.
    Sound,
}

/// Where both branches are. A clone belongs to the same session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lockstep {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Positions>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Positions {
    picture_ns: Option<i64>,
    sound_ns: Option<i64>,
    is_open: bool,
}

impl Positions {
    fn set(&mut self, branch: Branch, pts_ns: i64) {
        let place = match branch {
            Branch::Picture => &mut self.picture_ns,
            Branch::Sound => &mut self.sound_ns,
        };
        *place = Some(place.map_or(pts_ns, |at| at.max(pts_ns)));
    }

    /// Whether `branch` at `pts_ns` leads too far, counted from `start_ns` while the other has not begun.
    fn must_wait(&self, branch: Branch, pts_ns: i64, start_ns: i64) -> bool {
        let other = match branch {
            Branch::Picture => self.sound_ns,
            Branch::Sound => self.picture_ns,
        };
        !self.is_open && pts_ns.saturating_sub(other.unwrap_or(start_ns)) > LEAD_NS
    }
}

impl Lockstep {
    /// Lets both branches go on from now on: one has ended, or the session ends.
    pub(crate) fn open(&self) {
        self.state().is_open = true;
        self.shared.moved.notify_all();
    }

    /// Notes that `branch` is at `pts_ns`; returns when the other is near enough. `start_ns` is where this branch began.
    fn pass(&self, branch: Branch, pts_ns: i64, start_ns: i64) {
        let mut state = self.state();
        state.set(branch, pts_ns);
        self.shared.moved.notify_all();
        while state.must_wait(branch, pts_ns, start_ns) {
            let (next, waited) = self
                .shared
                .moved
                .wait_timeout(state, STALL)
                .unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.must_wait(branch, pts_ns, start_ns) {
                tracing::warn!(
                    ?branch,
                    pts_ns,
                    "the other branch stands still and is no longer waited for"
                );
                state.is_open = true;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, Positions> {
        // Plain values: whole after a panic elsewhere.
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A layer whose packets wait for the other branch. Without a lockstep (live sources) it is the layer alone.
pub(crate) struct InStep<L> {
    layer: L,
    branch: Branch,
    lockstep: Option<Lockstep>,
    start_ns: Option<i64>,
}

impl<L> InStep<L> {
    pub(crate) fn new(layer: L, branch: Branch, lockstep: Option<Lockstep>) -> Self {
        Self {
            layer,
            branch,
            lockstep,
            start_ns: None,
        }
    }
}

impl<L: Layer> Layer for InStep<L> {
    type In = L::In;
    type Out = L::Out;

    fn start(&mut self) -> Result<(), NodeError> {
        self.layer.start()
    }

    fn process(
        &mut self,
        packet: Packet<L::In>,
        out: &mut Emitter<'_, L::Out>,
    ) -> Result<(), NodeError> {
        if let Some(lockstep) = &self.lockstep {
            let pts_ns = packet.pts.0;
            let start_ns = *self.start_ns.get_or_insert(pts_ns);
            lockstep.pass(self.branch, pts_ns, start_ns);
        }
        self.layer.process(packet, out)
    }

    fn flush(&mut self, out: &mut Emitter<'_, L::Out>) -> Result<(), NodeError> {
        if let Some(lockstep) = &self.lockstep {
            lockstep.open();
        }
        self.layer.flush(out)
    }
}

impl<L> Drop for InStep<L> {
    fn drop(&mut self) {
        if let Some(lockstep) = &self.lockstep {
            lockstep.open();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_branch_waits_only_while_it_leads_too_far() {
        let mut positions = Positions::default();
        assert!(!positions.must_wait(Branch::Sound, 44 * SECOND, 40 * SECOND));
        assert!(positions.must_wait(Branch::Sound, 46 * SECOND, 40 * SECOND));
        positions.set(Branch::Picture, 42 * SECOND);
        assert!(!positions.must_wait(Branch::Sound, 46 * SECOND, 40 * SECOND));
        // A time that steps back does not take the position with it.
        positions.set(Branch::Picture, 0);
        assert!(!positions.must_wait(Branch::Sound, 46 * SECOND, 40 * SECOND));
        assert!(positions.must_wait(Branch::Sound, i64::MAX, i64::MIN));
        positions.is_open = true;
        assert!(!positions.must_wait(Branch::Sound, i64::MAX, i64::MIN));
    }

    #[test]
    fn a_waiting_branch_goes_on_when_the_other_arrives_or_ends() {
        for ends in [false, true] {
            let lockstep = Lockstep::default();
            let waiting = lockstep.clone();
            let sound = std::thread::Builder::new()
                .spawn(move || waiting.pass(Branch::Sound, 20 * SECOND, 0))
                .unwrap();
            if ends {
                lockstep.open();
            } else {
                lockstep.pass(Branch::Picture, 16 * SECOND, 0);
            }
            sound.join().unwrap();
        }
    }
}
