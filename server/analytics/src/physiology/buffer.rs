//! Retained chunks of both people (math 8.1).

use lsie_schemas::contract::{PhysiologicalChunkEvent, SubjectRole};
use lsie_schemas::time::UtcMicros;

use super::snapshot::{Derived, derive_snapshot};

/// How long a chunk is kept after its end.
const RETENTION_MICROS: i64 = 900_000_000;
/// Chunks kept per role; beyond it the oldest goes. Ordinary wearables send a handful in 900 s.
const CAPACITY: usize = 1024;

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intake {
    /// Kept.
    Kept,
    /// Already there: a re-delivery.
    Duplicate,
    /// Ended more than 900 s ago, or before it began.
    Expired,
}

/// The chunks of the last 900 s, per role and in order of their end.
#[derive(Debug, Clone, Default)]
pub struct PhysiologyBuffer {
    streamer: Vec<PhysiologicalChunkEvent>,
    operator: Vec<PhysiologicalChunkEvent>,
    evicted: u64,
}

impl PhysiologyBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a chunk in any order of arrival.
    pub fn take(&mut self, chunk: PhysiologicalChunkEvent, now_utc: UtcMicros) -> Intake {
        self.drop_expired(now_utc);
        let chunks = match chunk.subject_role {
            SubjectRole::Streamer => &mut self.streamer,
            SubjectRole::Operator => &mut self.operator,
        };
        if chunk.window_end_utc < oldest_kept(now_utc)
            || chunk.window_end_utc < chunk.window_start_utc
        {
            return Intake::Expired;
        }
        if chunks.iter().any(|kept| kept.unique_id == chunk.unique_id) {
            return Intake::Duplicate;
        }
        let key = |c: &PhysiologicalChunkEvent| (c.window_end_utc, c.window_start_utc);
        let place = chunks.partition_point(|kept| key(kept) <= key(&chunk));
        chunks.insert(place, chunk);
        if chunks.len() > CAPACITY {
            chunks.remove(0);
            self.evicted = self.evicted.saturating_add(1);
        }
        Intake::Kept
    }

    /// Drops what is older than 900 s.
    pub fn drop_expired(&mut self, now_utc: UtcMicros) {
        let oldest = oldest_kept(now_utc);
        for chunks in [&mut self.streamer, &mut self.operator] {
            chunks.retain(|chunk| chunk.window_end_utc >= oldest);
        }
    }

    /// The snapshot of a role now; `None` without any retained chunk.
    pub fn snapshot(&mut self, role: SubjectRole, now_utc: UtcMicros) -> Option<Derived> {
        self.drop_expired(now_utc);
        match role {
            SubjectRole::Streamer => derive_snapshot(&self.streamer, now_utc),
            SubjectRole::Operator => derive_snapshot(&self.operator, now_utc),
        }
    }

    /// Chunks kept now, and how many can be.
    pub fn kept(&self) -> (usize, usize) {
        (self.streamer.len() + self.operator.len(), 2 * CAPACITY)
    }

    /// Chunks lost because a role sent more than the buffer holds.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

fn oldest_kept(now_utc: UtcMicros) -> UtcMicros {
    UtcMicros(now_utc.0.saturating_sub(RETENTION_MICROS))
}
