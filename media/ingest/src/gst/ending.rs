//! Whether a file holds what its container promises. Pure.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use crate::watch::{IngestEvent, Watch};

/// A file that ends at most this much before its stated length is whole, nanoseconds.
const TOLERANCE_NS: i64 = 500_000_000;

/// The length a container states, compared when the last of its streams has ended.
#[derive(Debug)]
pub(crate) struct Ending {
    stated_ns: i64,
    reached_ns: AtomicI64,
    /// Where the pictures ended and how far apart they stand; a distance of 0 is none.
    pictures_end_ns: AtomicI64,
    frame_ns: AtomicI64,
    open_streams: AtomicUsize,
    watch: Watch,
}

impl Ending {
    /// For a file of `streams` streams that all are played.
    pub(crate) fn new(stated_ns: i64, streams: usize, watch: Watch) -> Self {
        Ending {
            stated_ns,
            reached_ns: AtomicI64::new(i64::MIN),
            pictures_end_ns: AtomicI64::new(stated_ns),
            frame_ns: AtomicI64::new(0),
            open_streams: AtomicUsize::new(streams),
            watch,
        }
    }

    /// As [`Ending::ended`], for the pictures; `frame_ns` apart, when that is known.
    pub(crate) fn pictures_ended(&self, end_pts_ns: i64, frame_ns: Option<i64>) {
        self.pictures_end_ns.store(end_pts_ns, Ordering::Release);
        self.frame_ns
            .store(frame_ns.unwrap_or(0), Ordering::Release);
        self.ended(end_pts_ns);
    }

    /// One stream has ended at this media time. To be called once for each.
    pub(crate) fn ended(&self, end_pts_ns: i64) {
        self.reached_ns.fetch_max(end_pts_ns, Ordering::AcqRel);
        if self.open_streams.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let reached_pts_ns = self.reached_ns.load(Ordering::Acquire);
        if self.stated_ns.saturating_sub(reached_pts_ns) > TOLERANCE_NS {
            self.watch.early_ends(1);
            self.watch.frames_missing(self.missing_pictures());
            self.watch.event(IngestEvent::EndedEarly {
                stated_pts_ns: self.stated_ns,
                reached_pts_ns,
            });
        }
    }

    fn missing_pictures(&self) -> u64 {
        let lacking_ns = self
            .stated_ns
            .saturating_sub(self.pictures_end_ns.load(Ordering::Acquire));
        let frame_ns = self.frame_ns.load(Ordering::Acquire);
        let half_ns = frame_ns / 2;
        let frames = lacking_ns.saturating_add(half_ns).checked_div(frame_ns);
        frames
            .and_then(|frames| u64::try_from(frames).ok())
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early_ends(stated_ns: i64, ends: &[i64]) -> u64 {
        let watch = Watch::default();
        let ending = Ending::new(stated_ns, ends.len(), watch.clone());
        for end in ends {
            ending.ended(*end);
        }
        watch.counters().early_ends
    }

    #[test]
    fn only_what_every_stream_lacks_is_an_early_end() {
        let secs = 1_000_000_000;
        assert_eq!(early_ends(30 * secs, &[20 * secs, 30 * secs]), 0);
        assert_eq!(early_ends(30 * secs, &[20 * secs, 19 * secs]), 1);
        assert_eq!(early_ends(30 * secs, &[30 * secs - TOLERANCE_NS]), 0);
        assert_eq!(early_ends(30 * secs, &[i64::MIN]), 1);
    }

    #[test]
    fn the_pictures_that_were_cut_off_are_missing() {
        let watch = Watch::default();
        let ending = Ending::new(31_000_000_000, 2, watch.clone());
        ending.pictures_ended(20_500_000_000, Some(100_000_000));
        assert_eq!(watch.counters().frames_missing, 0);
        ending.ended(20_600_000_000);
        assert_eq!(watch.counters().frames_missing, 105);
        let sound = Watch::default();
        Ending::new(31_000_000_000, 1, sound.clone()).ended(0);
        assert_eq!(sound.counters().frames_missing, 0);
    }
}
