//! What a source's own clock was while its media were measured. Pure.

use std::collections::VecDeque;

use lsie_schemas::link::SegmentClock;

/// What falls into one stretch of this length becomes one note, nanoseconds.
const STRETCH_NS: i64 = 500_000_000;
/// Notes kept: 90 s, as the rings of the assembler; on overflow the oldest goes.
const NOTES: usize = 180;

/// The notes of the last 90 s of a session, by media time.
#[derive(Debug, Default)]
pub(super) struct ClockNotes {
    /// Number of the stretch and what was said in it, oldest first.
    notes: VecDeque<(i64, SegmentClock)>,
}

impl ClockNotes {
    /// What the clock is at this media time. One that steps back counts for the newest stretch.
    pub(super) fn push(&mut self, pts_ns: i64, clock: SegmentClock) {
        let stretch = pts_ns.div_euclid(STRETCH_NS);
        match self.notes.back_mut() {
            Some((newest, noted)) if *newest >= stretch => *noted = noted.and_later(clock),
            _ => {
                if self.notes.len() == NOTES {
                    self.notes.pop_front();
                }
                self.notes.push_back((stretch, clock));
            }
        }
    }

    /// All that was said from one media time to another; what was said last before it, where nothing was said within.
    pub(super) fn over(&self, from_ns: i64, to_ns: i64) -> Option<SegmentClock> {
        let (from, to) = (from_ns.div_euclid(STRETCH_NS), to_ns.div_euclid(STRETCH_NS));
        let within = self.notes.iter().filter(|(at, _)| (from..=to).contains(at));
        let whole = within.map(|(_, clock)| *clock);
        let before = || {
            let mut newest_first = self.notes.iter().rev();
            newest_first
                .find(|(at, _)| *at < from)
                .map(|(_, clock)| *clock)
        };
        whole.reduce(SegmentClock::and_later).or_else(before)
    }
}

#[cfg(test)]
mod tests {
    use lsie_schemas::link::ClockRung;

    use super::*;

    const S: i64 = 1_000_000_000;

    fn clock(state: ClockRung, drift_ppm: f64, uncertainty_ms: f64) -> SegmentClock {
        SegmentClock {
            state,
            offset_s: Some(1.0),
            drift_ppm: Some(drift_ppm),
            uncertainty_ms: Some(uncertainty_ms),
        }
    }

    #[test]
    fn a_window_takes_what_was_said_within_it() {
        let mut notes = ClockNotes::default();
        assert_eq!(notes.over(0, 30 * S), None);
        for n in 0..600 {
            let bound_ms = if n == 100 { 9.0 } else { 0.5 };
            let rung = if n == 100 {
                ClockRung::Holdover
            } else {
                ClockRung::Good
            };
            notes.push(n * S / 10, clock(rung, n as f64, bound_ms));
        }
        let first = notes.over(0, 30 * S).unwrap();
        assert_eq!(
            (first.state, first.uncertainty_ms),
            (ClockRung::Holdover, Some(9.0))
        );
        let second = notes.over(30 * S, 60 * S).unwrap();
        assert_eq!(
            (second.state, second.uncertainty_ms, second.drift_ppm),
            (ClockRung::Good, Some(0.5), Some(599.0))
        );
        assert_eq!(
            notes.over(90 * S, 120 * S),
            Some(clock(ClockRung::Good, 599.0, 0.5))
        );
    }

    #[test]
    fn notes_are_bounded_and_time_may_step_back() {
        let mut notes = ClockNotes::default();
        for n in 0..1000 {
            notes.push(n * S, clock(ClockRung::Good, 0.0, 0.1));
        }
        notes.push(3 * S, clock(ClockRung::OneWay, 0.0, 30.0));
        assert_eq!(notes.notes.len(), NOTES);
        let newest = notes.over(999 * S, 999 * S).unwrap();
        assert_eq!(newest.state, ClockRung::OneWay);
    }
}
