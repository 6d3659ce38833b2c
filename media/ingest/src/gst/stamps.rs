//! When each picture entered the decoder, found again by its pts when it leaves.
//!
//! ```text
//! pushed(pts) ──▶ decoder ──▶ arrived(pts) at the sink, numbered ──▶ pulled(pts) by the consumer
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use gstreamer as gst;

use crate::watch::Watch;

/// Most pictures that can be between push and pull; older ones are forgotten.
const CAPACITY: usize = 64;

/// What media time is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The stream's own time.
    Stream,
    /// The start of the pipeline: for live ones, whose senders count from anywhere.
    Running,
}

impl Counting {
    pub(crate) fn media_time(
        self,
        segment: &gst::FormattedSegment<gst::ClockTime>,
        pts: gst::ClockTime,
    ) -> Option<gst::ClockTime> {
        match self {
            Counting::Stream => segment.to_stream_time(pts),
            Counting::Running => segment.to_running_time(pts),
        }
    }
}

/// The table of one source.
#[derive(Debug)]
pub(crate) struct Stamps {
    table: Mutex<Table>,
    watch: Watch,
}

#[derive(Debug, Default)]
struct Table {
    entries: VecDeque<Entry>,
    next_seq: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// `None` for pictures without time.
    pts_ns: Option<u64>,
    host_time_ns: u64,
    /// Set when the picture arrived at the sink.
    seq: Option<u64>,
}

/// What is known about a pulled picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) host_time_ns: u64,
    pub(crate) seq: u64,
}

impl Stamps {
    pub(crate) fn new(watch: Watch) -> Self {
        Stamps {
            table: Mutex::default(),
            watch,
        }
    }

    /// An access unit goes into the decoder.
    pub(crate) fn pushed(&self, pts_ns: u64, host_time_ns: u64) {
        self.with(|table| {
            table.entries.push_back(Entry {
                pts_ns: Some(pts_ns),
                host_time_ns,
                seq: None,
            });
        });
    }

    /// A picture reached the sink; it gets its number. `now_ns` is its time if it was never pushed.
    pub(crate) fn arrived(&self, pts_ns: Option<u64>, now_ns: u64) {
        self.with(|table| {
            let seq = table.next_seq;
            table.next_seq += 1;
            let waiting = table
                .entries
                .iter_mut()
                .find(|entry| entry.pts_ns == pts_ns && entry.seq.is_none());
            match waiting {
                Some(entry) => entry.seq = Some(seq),
                None => table.entries.push_back(Entry {
                    pts_ns,
                    host_time_ns: now_ns,
                    seq: Some(seq),
                }),
            }
        });
    }

    /// A picture was pulled. One that is not known any more has `now_ns` and the last number.
    pub(crate) fn pulled(&self, pts_ns: Option<u64>, now_ns: u64) -> Stamp {
        self.with(|table| {
            let found = table
                .entries
                .iter()
                .find(|entry| entry.pts_ns == pts_ns && entry.seq.is_some());
            match found {
                Some(Entry {
                    host_time_ns,
                    seq: Some(seq),
                    ..
                }) => Stamp {
                    host_time_ns: *host_time_ns,
                    seq: *seq,
                },
                _ => Stamp {
                    host_time_ns: now_ns,
                    seq: table.next_seq.saturating_sub(1),
                },
            }
        })
    }

    /// Forgets everything; what was pushed and never arrived counts as undecoded.
    pub(crate) fn flush(&self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = table
            .entries
            .drain(..)
            .filter(|entry| entry.seq.is_none())
            .count();
        self.watch.access_units_undecoded(lost as u64);
    }

    fn with<R>(&self, act: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut table);
        while table.entries.len() > CAPACITY {
            if let Some(Entry { seq: None, .. }) = table.entries.pop_front() {
                self.watch.access_units_undecoded(1);
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_the_time_of_its_push() {
        let stamps = Stamps::new(Watch::default());
        stamps.pushed(100, 7);
        stamps.pushed(200, 8);
        stamps.arrived(Some(100), 50);
        stamps.arrived(Some(200), 51);
        assert_eq!(
            stamps.pulled(Some(200), 99),
            Stamp {
                host_time_ns: 8,
                seq: 1
            }
        );
        assert_eq!(
            stamps.pulled(Some(100), 99),
            Stamp {
                host_time_ns: 7,
                seq: 0
            }
        );
    }

    #[test]
    fn a_picture_without_push_or_time_has_its_arrival() {
        let stamps = Stamps::new(Watch::default());
        stamps.arrived(None, 50);
        assert_eq!(
            stamps.pulled(None, 99),
            Stamp {
                host_time_ns: 50,
                seq: 0
            }
        );
        assert_eq!(stamps.pulled(Some(3), 99).host_time_ns, 99);
    }

    #[test]
    fn what_never_arrives_is_counted_and_memory_is_bounded() {
        let watch = Watch::default();
        let stamps = Stamps::new(watch.clone());
        for n in 0..1000 {
            stamps.pushed(n, n);
        }
        assert_eq!(
            watch.counters().access_units_undecoded,
            1000 - CAPACITY as u64
        );
        stamps.flush();
        assert_eq!(watch.counters().access_units_undecoded, 1000);
    }
}
