//! Counts what the supervisor holds.

use super::peers::PEERS;
use super::semantics::ASKED;
use super::sessions::MAX_PLANNED;
use super::{Actor, Snapshot};
use crate::held::Held;

impl Actor {
    /// Every kind of things that come and go. All fields are named: a new one is counted here or said to be of fixed size.
    pub(super) fn held(&self) -> [Held; 7] {
        let Self {
            live,
            stamping,
            asked,
            peers,
            physiology,
            policy,
            // Of fixed size, or one at a time.
            state: Snapshot { .. },
            settings: _,
            store: _,
            writer: _,
            reader: _,
            origin: _,
            engine: _,
            restart_at: _,
            ready: _,
            gap_open_since: _,
            store_retry_at: _,
            starting: _,
            was_stale: _,
            finality_at: _,
            published: _,
            marked: _,
            changes: _,
        } = self;
        let (encounters, planned) = live
            .as_ref()
            .map_or((0, 0), |live| (live.open_encounters(), live.planned.len()));
        let (chunks, most_chunks) = physiology.kept();
        let (deaths, most_deaths) = policy.remembered();
        [
            // The operator's one, and those known in advance.
            Held::new("open_encounters", encounters, MAX_PLANNED + 1),
            Held::new("planned_stimuli", planned, MAX_PLANNED),
            // As many as stimuli of the operator: one.
            Held::new("callers_waiting_for_a_stamp", stamping.len(), 1),
            Held::new("semantic_questions", asked.len(), ASKED),
            Held::new("peers", peers.len(), PEERS),
            Held::new("physiology_chunks", chunks, most_chunks),
            Held::new("engine_deaths", deaths, most_deaths),
        ]
    }
}
