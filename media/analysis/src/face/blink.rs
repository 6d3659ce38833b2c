//! Blinks from the closure of the eyes, and how many there are in a minute.
//!
//! ```text
//!        closure ≥ 0.5                     closure ≤ 0.3, shut for 0.03 to 0.5 s: a blink
//! open ────────────────▶ shut since t ──────────────────────────────────────────────────▶ open
//! ```
//!
//! A blink lasts 0.1 to 0.4 s (Stern, Walrath & Goldstein, Psychophysiology 21, 1984); what lasts longer is closing the eyes.

/// The eyes count as shut from here.
const SHUT: f64 = 0.5;
/// And as open again from here down.
const OPEN: f64 = 0.3;
const SHORTEST_NS: i64 = 30_000_000;
const LONGEST_NS: i64 = 500_000_000;
/// Frames further apart than this say nothing about the time between them.
const GAP_NS: i64 = 500_000_000;
const SECOND_NS: i64 = 1_000_000_000;
/// Seconds over which the rate is taken.
const SPAN: usize = 60;
const SPAN_SECS: i64 = 60;
/// Observed time without which there is no rate, nanoseconds.
const LEAST_NS: i64 = 10 * SECOND_NS;

/// Counts blinks over the last minute of media time. Bounded: one slot a second.
#[derive(Debug, Clone)]
pub struct BlinkCounter {
    slots: [Slot; SPAN],
    newest: i64,
    last_ns: Option<i64>,
    shut_since_ns: Option<i64>,
    total: u64,
}

/// One second of media time.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    observed_ns: i64,
    blinks: u32,
}

impl Default for BlinkCounter {
    fn default() -> Self {
        BlinkCounter {
            slots: [Slot::default(); SPAN],
            newest: i64::MIN,
            last_ns: None,
            shut_since_ns: None,
            total: 0,
        }
    }
}

impl BlinkCounter {
    /// Takes one frame: how far the eyes are shut, 0 to 1. A step back in time starts anew.
    pub fn take(&mut self, pts_ns: i64, closure: f64) {
        let step_ns = self.last_ns.map_or(0, |last| pts_ns.saturating_sub(last));
        if step_ns < 0 {
            *self = BlinkCounter {
                total: self.total,
                ..BlinkCounter::default()
            };
        }
        self.last_ns = Some(pts_ns);
        self.advance(pts_ns.div_euclid(SECOND_NS));
        if step_ns > GAP_NS {
            self.shut_since_ns = None;
        } else if let Some(slot) = self.slot() {
            slot.observed_ns += step_ns.max(0);
        }
        match self.shut_since_ns {
            None if closure >= SHUT => self.shut_since_ns = Some(pts_ns),
            Some(since_ns) if closure <= OPEN => {
                self.shut_since_ns = None;
                if (SHORTEST_NS..=LONGEST_NS).contains(&pts_ns.saturating_sub(since_ns)) {
                    self.total += 1;
                    if let Some(slot) = self.slot() {
                        slot.blinks += 1;
                    }
                }
            }
            _ => {}
        }
    }

    /// The eyes were not seen: what was shut is forgotten and the time does not count.
    pub fn miss(&mut self) {
        self.shut_since_ns = None;
        self.last_ns = None;
    }

    /// Blinks a minute over the observed part of the last minute; `None` below ten seconds of it.
    pub fn per_minute(&self) -> Option<f64> {
        let observed_ns: i64 = self.slots.iter().map(|slot| slot.observed_ns).sum();
        let blinks: u32 = self.slots.iter().map(|slot| slot.blinks).sum();
        (observed_ns >= LEAST_NS)
            .then(|| f64::from(blinks) * 60.0 * SECOND_NS as f64 / observed_ns as f64)
    }

    /// Blinks since the start.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Moves on to a second and empties the slots between.
    fn advance(&mut self, second: i64) {
        if second <= self.newest {
            return;
        }
        let passed = second.saturating_sub(self.newest).min(SPAN_SECS);
        for back in 0..passed {
            let index = (second - back).rem_euclid(SPAN_SECS) as usize;
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = Slot::default();
            }
        }
        self.newest = second;
    }

    fn slot(&mut self) -> Option<&mut Slot> {
        self.slots
            .get_mut(self.newest.rem_euclid(SPAN_SECS) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `secs` at 30 frames per second, the eyes shut from `from` to `until` of every period.
    fn run(counter: &mut BlinkCounter, secs: f64, period: f64, from: f64, until: f64) {
        for frame in 0..(secs * 30.0) as i64 {
            let at = frame as f64 / 30.0 % period;
            let closure = if (from..until).contains(&at) {
                0.9
            } else {
                0.05
            };
            counter.take(frame * SECOND_NS / 30, closure);
        }
    }

    #[test]
    fn fifteen_blinks_in_a_minute_are_fifteen() {
        let mut counter = BlinkCounter::default();
        run(&mut counter, 120.0, 4.0, 1.0, 1.2);
        assert_eq!(counter.total(), 30);
        assert!((counter.per_minute().unwrap() - 15.0).abs() < 0.5);
    }

    #[test]
    fn closed_eyes_are_no_blink() {
        let mut counter = BlinkCounter::default();
        run(&mut counter, 60.0, 4.0, 1.0, 2.0);
        assert_eq!((counter.total(), counter.per_minute()), (0, Some(0.0)));
    }

    #[test]
    fn a_flutter_between_the_thresholds_counts_once() {
        let mut counter = BlinkCounter::default();
        let closures = [0.0, 0.6, 0.45, 0.6, 0.4, 0.1, 0.0];
        for (frame, closure) in (0_i64..).zip(closures) {
            counter.take(frame * SECOND_NS / 30, closure);
        }
        assert_eq!(counter.total(), 1);
        assert_eq!(counter.per_minute(), None, "too short for a rate");
    }

    #[test]
    fn unseen_time_does_not_count() {
        let mut counter = BlinkCounter::default();
        run(&mut counter, 20.0, 4.0, 1.0, 1.2);
        let before = counter.per_minute();
        counter.take(20 * SECOND_NS, 0.9);
        counter.miss();
        counter.take(40 * SECOND_NS, 0.0);
        assert_eq!(counter.total(), 5);
        let change = counter.per_minute().unwrap() - before.unwrap();
        assert!(change.abs() < 0.1, "{change}");
        counter.take(200 * SECOND_NS, 0.0);
        assert_eq!(counter.per_minute(), None, "a minute later nothing is left");
        counter.take(-5, f64::NAN);
        assert_eq!(counter.total(), 5);
    }
}
