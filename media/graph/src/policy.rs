//! What the builder chooses per edge, per node and per graph.

use std::time::{Duration, Instant};

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);
/// After this long without an error the back-off begins anew.
const CALM: Duration = Duration::from_secs(30);

/// What happens when a packet meets a full edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// `DropOldest` where a live source feeds the edge, `Block` otherwise: one graph serves cameras and files.
    Auto,
    /// The producer waits. Never loses; refused where a live source would have to wait.
    Block,
    /// The oldest queued packet is dropped: newest wins.
    DropOldest,
    /// The arriving packet is dropped: oldest wins.
    DropNewest,
}

/// The bounded queue before a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Packets it holds, at least 1.
    pub capacity: usize,
    /// What happens when it is full.
    pub when_full: WhenFull,
}

impl Edge {
    /// An edge that decides by its source ([`WhenFull::Auto`]).
    pub const fn auto(capacity: usize) -> Self {
        Self {
            capacity,
            when_full: WhenFull::Auto,
        }
    }

    /// An edge that makes its producer wait.
    pub const fn block(capacity: usize) -> Self {
        Self {
            capacity,
            when_full: WhenFull::Block,
        }
    }

    /// An edge where the newest packets win.
    pub const fn drop_oldest(capacity: usize) -> Self {
        Self {
            capacity,
            when_full: WhenFull::DropOldest,
        }
    }

    /// An edge where the oldest packets win.
    pub const fn drop_newest(capacity: usize) -> Self {
        Self {
            capacity,
            when_full: WhenFull::DropNewest,
        }
    }
}

impl Default for Edge {
    /// Two packets, decided by the source.
    fn default() -> Self {
        Self::auto(2)
    }
}

/// What happens when a node reports an error or panics (pipeline 2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorPolicy {
    /// The run fails.
    #[default]
    Fail,
    /// The packet is dropped and counted; a source is simply asked again after the first back-off.
    Drop,
    /// The packet is dropped and the node started again after 100 ms · 2ⁿ, at most 5 s.
    Restart {
        /// Attempts in a row after which the run fails; `None` never gives up. Half a minute without an error
        /// begins a new row.
        max: Option<u32>,
    },
}

/// When a run with several sources ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StopRule {
    /// When all sinks saw the end of their stream.
    #[default]
    All,
    /// As soon as one source has ended, the others are stopped too.
    First,
}

/// Counts attempts and tells how long to wait before the next one.
#[derive(Debug)]
pub(crate) struct BackOff {
    max: Option<u32>,
    attempts: u32,
    last: Option<Instant>,
}

impl BackOff {
    pub(crate) fn new(max: Option<u32>) -> Self {
        Self {
            max,
            attempts: 0,
            last: None,
        }
    }

    /// The number of the attempt (from 1) and the wait before it, or `None` when all are used up.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u32, Duration)> {
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) >= CALM)
        {
            self.attempts = 0;
        }
        self.last = Some(now);
        if self.max.is_some_and(|max| self.attempts >= max) {
            return None;
        }
        let wait = FIRST_BACK_OFF
            .saturating_mul(1 << self.attempts.min(16))
            .min(LONGEST_BACK_OFF);
        self.attempts = self.attempts.saturating_add(1);
        Some((self.attempts, wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_to_five_seconds_and_gives_up() {
        let mut back_off = BackOff::new(Some(8));
        let now = Instant::now();
        let waits: Vec<u128> = std::iter::from_fn(|| back_off.next(now))
            .map(|(_, wait)| wait.as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn calm_begins_a_new_row() {
        let mut back_off = BackOff::new(Some(1));
        let now = Instant::now();
        assert!(back_off.next(now).is_some());
        assert_eq!(back_off.next(now + Duration::from_secs(1)), None);
        assert_eq!(
            back_off.next(now + Duration::from_secs(40)),
            Some((1, FIRST_BACK_OFF))
        );
    }
}
