//! The derived values of the last minute and more, for several independent readers (math 3.6, 3.7, rule B2).
//!
//! Loss policy: by time. A value older than the newest minus the span leaves; a hard cap on the count protects memory.
//! Both are counted, and a reader that fell behind is told how much it lost.

use std::collections::VecDeque;

use crate::error::SegmentError;

/// A value with its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<T> {
    /// Epoch seconds on the session clock.
    pub timestamp_s: f64,
    /// The value.
    pub value: T,
}

/// What the ring has seen. Counters only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObservationCounters {
    /// Values taken.
    pub taken: u64,
    /// Values refused because their time is not finite or implausibly far ahead.
    pub refused: u64,
    /// Values that left because they grew too old.
    pub expired: u64,
    /// Values that left early because of the hard cap.
    pub evicted: u64,
}

/// A reader's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(usize);

#[derive(Debug, Clone, Copy)]
struct Reader {
    next_seq: u64,
    floor_s: f64,
}

/// What a reader gets since it last looked.
#[derive(Debug, Clone, PartialEq)]
pub struct Fresh<T> {
    /// New values in order of arrival.
    pub observations: Vec<Observation<T>>,
    /// Values that left the ring before this reader saw them.
    pub lost: u64,
}

/// Ring of observations in order of arrival.
#[derive(Debug, Clone)]
pub struct ObservationRing<T> {
    span_secs: f64,
    max_count: usize,
    items: VecDeque<Observation<T>>,
    first_seq: u64,
    newest_s: f64,
    announced_s: Option<f64>,
    readers: Vec<Reader>,
    counters: ObservationCounters,
}

impl<T: Clone> ObservationRing<T> {
    /// Shortest span that stimulus windows need, seconds.
    pub const MIN_SPAN_SECS: f64 = 60.0;
    /// Agreement asked of a second value before a jump ahead is believed, seconds.
    const CONFIRM_SECS: f64 = 5.0;

    /// A ring that keeps `span_secs` (at least 60 s) of values but never more than `max_count` (at least 1).
    #[must_use]
    pub fn new(span_secs: f64, max_count: usize) -> Self {
        Self {
            span_secs: if span_secs.is_finite() {
                span_secs.max(Self::MIN_SPAN_SECS)
            } else {
                Self::MIN_SPAN_SECS
            },
            max_count: max_count.max(1),
            items: VecDeque::new(),
            first_seq: 0,
            newest_s: f64::NEG_INFINITY,
            announced_s: None,
            readers: Vec::new(),
            counters: ObservationCounters::default(),
        }
    }

    /// Takes a value. Times out of order are fine; one that is not finite, or a lone one further ahead than the ring
    /// spans, is refused, because it would push every good value out.
    pub fn push(&mut self, timestamp_s: f64, value: T) -> Result<(), SegmentError> {
        if !timestamp_s.is_finite() {
            self.counters.refused += 1;
            return Err(SegmentError::NotFinite {
                what: "observation time",
            });
        }
        let ahead_s = timestamp_s - self.newest_s;
        if self.newest_s.is_finite() && ahead_s > self.span_secs {
            let is_confirmed = self
                .announced_s
                .is_some_and(|at| (timestamp_s - at).abs() <= Self::CONFIRM_SECS);
            if !is_confirmed {
                self.announced_s = Some(timestamp_s);
                self.counters.refused += 1;
                return Err(SegmentError::JumpAhead {
                    by_ns: (ahead_s * 1e9) as i64,
                });
            }
        }
        self.announced_s = None;
        self.newest_s = self.newest_s.max(timestamp_s);
        self.items.push_back(Observation { timestamp_s, value });
        self.counters.taken += 1;
        self.expire();
        Ok(())
    }

    /// A new independent reader; it starts with the values that are still here.
    pub fn add_cursor(&mut self) -> Cursor {
        self.readers.push(Reader {
            next_seq: self.first_seq,
            floor_s: f64::NEG_INFINITY,
        });
        Cursor(self.readers.len() - 1)
    }

    /// Values with `start_s <= time <= end_s` in order of arrival. Takes nothing away from anybody.
    pub fn window(&self, start_s: f64, end_s: f64) -> impl Iterator<Item = &Observation<T>> {
        self.items
            .iter()
            .filter(move |item| start_s <= item.timestamp_s && item.timestamp_s <= end_s)
    }

    /// Like [`ObservationRing::window`] for one reader, for whom everything before `start_s` is then gone (math 3.6).
    /// Other readers are not affected.
    pub fn take_window(
        &mut self,
        cursor: Cursor,
        start_s: f64,
        end_s: f64,
    ) -> Result<Vec<Observation<T>>, SegmentError> {
        let reader = self
            .readers
            .get_mut(cursor.0)
            .ok_or(SegmentError::UnknownCursor)?;
        let floor_s = reader.floor_s;
        if start_s > floor_s {
            reader.floor_s = start_s;
        }
        Ok(self.window(start_s.max(floor_s), end_s).cloned().collect())
    }

    /// Everything that arrived since this reader last asked, with the number it missed.
    pub fn take_fresh(&mut self, cursor: Cursor) -> Result<Fresh<T>, SegmentError> {
        let end_seq = self.first_seq + self.items.len() as u64;
        let reader = self
            .readers
            .get_mut(cursor.0)
            .ok_or(SegmentError::UnknownCursor)?;
        let lost = self.first_seq.saturating_sub(reader.next_seq);
        let seen = reader.next_seq.saturating_sub(self.first_seq);
        reader.next_seq = end_seq;
        let observations = self.items.iter().skip(seen as usize).cloned().collect();
        Ok(Fresh { observations, lost })
    }

    /// Values held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True when nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What the ring has seen.
    #[must_use]
    pub fn counters(&self) -> ObservationCounters {
        self.counters
    }

    fn expire(&mut self) {
        let oldest_s = self.newest_s - self.span_secs;
        while self
            .items
            .front()
            .is_some_and(|item| item.timestamp_s < oldest_s)
        {
            self.items.pop_front();
            self.first_seq += 1;
            self.counters.expired += 1;
        }
        while self.items.len() > self.max_count {
            self.items.pop_front();
            self.first_seq += 1;
            self.counters.evicted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(items: &[Observation<u32>]) -> Vec<f64> {
        items.iter().map(|o| o.timestamp_s).collect()
    }

    #[test]
    fn bounds_are_inclusive_and_arrival_order_is_kept() {
        let mut ring = ObservationRing::new(60.0, 100);
        for t in [3.0, 1.0, 2.0, 4.0, 2.0] {
            ring.push(t, 0_u32).unwrap();
        }
        assert_eq!(
            ring.window(2.0, 3.0)
                .map(|o| o.timestamp_s)
                .collect::<Vec<_>>(),
            vec![3.0, 2.0, 2.0]
        );
        assert_eq!(ring.window(f64::NAN, 3.0).count(), 0);
    }

    #[test]
    fn one_reader_does_not_drain_another() {
        let mut ring = ObservationRing::new(60.0, 100);
        let (a, b) = (ring.add_cursor(), ring.add_cursor());
        for t in 0..10 {
            ring.push(f64::from(t), t).unwrap();
        }
        assert_eq!(
            times(&ring.take_window(a, 5.0, 8.0).unwrap()),
            vec![5.0, 6.0, 7.0, 8.0]
        );
        assert_eq!(
            times(&ring.take_window(a, 0.0, 6.0).unwrap()),
            vec![5.0, 6.0],
            "older than its window is gone for a"
        );
        assert_eq!(ring.take_window(b, 0.0, 6.0).unwrap().len(), 7);
        assert_eq!(ring.take_fresh(b).unwrap().observations.len(), 10);
        assert_eq!(
            ring.take_fresh(b).unwrap(),
            Fresh {
                observations: vec![],
                lost: 0
            }
        );
        assert_eq!(
            ObservationRing::<u32>::new(60.0, 1).take_fresh(b),
            Err(SegmentError::UnknownCursor)
        );
    }

    #[test]
    fn sixty_seconds_stay_at_any_frame_rate_and_losses_are_counted() {
        for fps in [5, 15, 60, 240] {
            let mut ring = ObservationRing::new(60.0, 100_000);
            for k in 0..fps * 200 {
                ring.push(f64::from(k) / f64::from(fps), k).unwrap();
            }
            assert_eq!(ring.len(), (fps * 60 + 1) as usize, "{fps} fps");
            assert_eq!(ring.counters().expired, (fps * 140 - 1) as u64);
        }
        let mut capped = ObservationRing::new(60.0, 8);
        let cursor = capped.add_cursor();
        for k in 0..20_u32 {
            capped.push(f64::from(k) / 100.0, k).unwrap();
        }
        assert_eq!((capped.len(), capped.counters().evicted), (8, 12));
        assert_eq!(capped.take_fresh(cursor).unwrap().lost, 12);
    }

    #[test]
    fn times_that_would_empty_the_ring_are_refused() {
        let mut ring = ObservationRing::new(60.0, 100);
        ring.push(1.0, 1_u32).unwrap();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e12, 1e300] {
            assert!(ring.push(bad, 0).is_err());
        }
        assert_eq!((ring.len(), ring.counters().refused), (1, 5));
        assert!(ring.push(500.0, 2).is_err());
        ring.push(500.1, 3).unwrap();
        assert_eq!(ring.window(0.0, 1e9).count(), 1);
    }
}
