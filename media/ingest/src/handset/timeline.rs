//! From the phone's capture times to media time. Pure but for a lock.

use std::sync::{Mutex, PoisonError};

use crate::settings::MediaAnchor;

/// Media time of the very first item: nothing of the other stream is older than this, so nothing lies before 0.
const LEAD_NS: i64 = 250_000_000;
/// Pictures whose times do not grow are put this much behind the one before.
const STEP_NS: i64 = 1_000;

/// Media time runs with our monotonic clock, whatever the phone does: through unplugging, another boot, a stepped clock.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Our time at media time 0, nanoseconds; fixed by an anchor or by the first item.
    origin_host_ns: Mutex<Option<i64>>,
    start_pts_ns: i64,
}

impl Timeline {
    pub(crate) fn new(anchor: Option<MediaAnchor>, start_pts_ns: i64) -> Self {
        let origin = anchor.map(|anchor| {
            anchor
                .host_time_ns
                .cast_signed()
                .saturating_sub(anchor.pts_ns)
        });
        Timeline {
            origin_host_ns: Mutex::new(origin),
            start_pts_ns,
        }
    }

    /// Media time of our time, nanoseconds. The first question fixes the timeline.
    pub(crate) fn pts_ns(&self, host_ns: i64) -> i64 {
        let mut origin = self
            .origin_host_ns
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = host_ns
            .saturating_sub(self.start_pts_ns)
            .saturating_sub(LEAD_NS);
        host_ns.saturating_sub(*origin.get_or_insert(first))
    }
}

/// Keeps the times of one stream growing.
#[derive(Debug, Default)]
pub(crate) struct Growing {
    last_ns: Option<i64>,
}

impl Growing {
    /// The time itself, or just behind the last one.
    pub(crate) fn next(&mut self, pts_ns: i64) -> i64 {
        let least = self
            .last_ns
            .map_or(i64::MIN, |last| last.saturating_add(STEP_NS));
        let next = pts_ns.max(least);
        self.last_ns = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_item_fixes_the_timeline() {
        let timeline = Timeline::new(None, 2_000_000_000);
        assert_eq!(timeline.pts_ns(70_000_000_000), 2_250_000_000);
        assert_eq!(timeline.pts_ns(69_900_000_000), 2_150_000_000);
    }

    #[test]
    fn an_anchored_timeline_goes_on_where_it_was() {
        let anchor = MediaAnchor {
            host_time_ns: 9_000_000_000,
            pts_ns: 4_000_000_000,
        };
        let timeline = Timeline::new(Some(anchor), 0);
        assert_eq!(timeline.pts_ns(12_000_000_000), 7_000_000_000);
        assert_eq!(timeline.pts_ns(i64::MIN), i64::MIN);
    }

    #[test]
    fn times_of_pictures_always_grow() {
        let mut growing = Growing::default();
        assert_eq!(growing.next(50), 50);
        assert_eq!(growing.next(40), 1_050);
        assert_eq!(growing.next(90_000), 90_000);
    }
}
