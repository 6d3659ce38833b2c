//! What an operator can see of a source: counters and events.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// Most events that wait to be read; on overflow the oldest is dropped and counted.
const EVENT_CAPACITY: usize = 64;

/// Something that happened to a source while it kept running.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum IngestEvent {
    /// The picture size or its format changed; a new pool was made.
    PictureChanged {
        /// Media time of the first picture with the new size, nanoseconds.
        pts_ns: i64,
        /// Width and height before, pixels.
        from: (u32, u32),
        /// Width and height now, pixels.
        to: (u32, u32),
    },
    /// The device has no room for every frame slot; the source goes on with fewer.
    PoolShrunk {
        /// Slots that were asked for.
        wanted: usize,
        /// Slots that there are.
        slots: usize,
    },
    /// The pictures are not 8-bit 4:2:0; a conversion was inserted, which costs a copy per picture.
    ConversionInserted {
        /// The decoder's format.
        from: String,
    },
    /// The sound's media time jumped.
    SoundGap {
        /// Where the next sample was expected, nanoseconds.
        expected_pts_ns: i64,
        /// Where it was, nanoseconds.
        actual_pts_ns: i64,
    },
    /// An encoded picture was not an access unit and was not decoded.
    AccessUnitRejected {
        /// Its media time, nanoseconds.
        pts_ns: i64,
    },
    /// Encoded pictures were dropped up to the next key frame. Ask the sender for one.
    KeyFrameWanted {
        /// Media time of the first one dropped, nanoseconds.
        pts_ns: i64,
    },
    /// The decoder failed and was started again; decoding goes on at the next key frame.
    DecoderRestarted {
        /// What it said.
        reason: String,
    },
    /// Pictures are missing where the stream was regular before.
    PicturesMissing {
        /// Media time of the first picture after them, nanoseconds.
        pts_ns: i64,
        /// How many.
        frames: u64,
    },
    /// The file ended before the length that its container states: it was cut short.
    EndedEarly {
        /// The stated length, nanoseconds.
        stated_pts_ns: i64,
        /// Where its last stream ended, nanoseconds.
        reached_pts_ns: i64,
    },
    /// A phone's session changed its state.
    SourceChanged {
        /// Its state now, for example `streaming` or `unauthorized`.
        state: &'static str,
        /// Why the state before ended, where something ended it.
        cause: Option<&'static str>,
        /// What the operator can do; empty when nothing has to be done.
        hint: &'static str,
    },
    /// A phone's clock stepped; its times before and behind do not compare.
    ClockStepped,
    /// An element warned; the source goes on.
    Warning {
        /// The element.
        element: String,
        /// Its message.
        message: String,
    },
}

/// The counters of one source at one instant. All only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct IngestCounters {
    /// Frames handed to the consumer.
    pub frames: u64,
    /// Frames replaced by a newer one before anyone pulled them (newest wins).
    pub frames_superseded: u64,
    /// Frames dropped because every slot of the pool was in use.
    pub frames_without_slot: u64,
    /// Frames that the decoder marked as damaged, or complained about, and delivered all the same.
    pub frames_damaged: u64,
    /// Frames that a regular stream promised and that never came, those behind a cut end included. Files only.
    pub frames_missing: u64,
    /// Places at which the decoder lost data and began again behind it, and holes in a regular stream.
    pub breaks: u64,
    /// Pieces of sound that the decoder complained about.
    pub sound_damaged: u64,
    /// Whether the file ended before its stated length (0 or 1).
    pub early_ends: u64,
    /// Times the picture changed its size or its format.
    pub picture_changes: u64,
    /// Times the device had no room for every frame slot.
    pub pools_shrunk: u64,
    /// Frames that passed a declared conversion.
    pub frames_converted: u64,
    /// Copies of whole pictures by the processor between decoder and reader: one a frame where frames live in slots, one more
    /// where they are converted, none where they stay in CUDA memory.
    pub host_copies: u64,
    /// Copies of whole pictures by a device between decoder and reader: one a frame where the slots are a GPU's, none where
    /// frames stay in CUDA memory.
    pub device_copies: u64,
    /// Frames pulled more than 100 ms after their time.
    pub frames_late: u64,
    /// Greatest lag of a pulled frame behind its time, nanoseconds.
    pub lag_max_ns: u64,
    /// Access units given to the decoder.
    pub access_units: u64,
    /// Access units refused because they are none, or too large.
    pub access_units_rejected: u64,
    /// Access units dropped up to the next key frame.
    pub access_units_dropped: u64,
    /// Access units that gave no picture.
    pub access_units_undecoded: u64,
    /// Times the decoder was started again.
    pub decoder_restarts: u64,
    /// Sample blocks handed to the consumer.
    pub blocks: u64,
    /// Jumps in the media time of the sound.
    pub sound_gaps: u64,
    /// Frames of a phone that arrived more than 250 ms after their capture: decoded and left out.
    pub frames_stale: u64,
    /// Access units and blocks of a phone that stand at their arrival because no clock mapped.
    pub times_unmapped: u64,
    /// Steps of a phone's clock.
    pub clock_steps: u64,
    /// Blocks that were made a sample longer or shorter to follow the clock.
    pub sound_slips: u64,
    /// Blocks of a phone left out because they would stand before sound that was given already.
    pub sound_overlaps: u64,
    /// Pictures encoded for viewers.
    pub viewer_frames: u64,
    /// Warnings of elements.
    pub warnings: u64,
    /// Events dropped because nobody read them.
    pub events_dropped: u64,
}

macro_rules! counters {
    (sums: $($name:ident),*; maxima: $($max:ident),*) => {
        #[derive(Debug, Default)]
        struct Cells {
            $($name: AtomicU64,)*
            $($max: AtomicU64,)*
        }

        impl Cells {
            fn snapshot(&self) -> IngestCounters {
                IngestCounters {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    $($max: self.$max.load(Ordering::Relaxed),)*
                }
            }
        }

        impl Watch {
            $(
                pub(crate) fn $name(&self, more: u64) {
                    self.inner.cells.$name.fetch_add(more, Ordering::Relaxed);
                }
            )*
        }
    };
}

counters!(
    sums:
    frames,
    frames_superseded,
    frames_without_slot,
    frames_damaged,
    frames_missing,
    breaks,
    sound_damaged,
    early_ends,
    picture_changes,
    frames_converted,
    host_copies,
    device_copies,
    frames_late,
    access_units,
    access_units_rejected,
    access_units_dropped,
    access_units_undecoded,
    decoder_restarts,
    blocks,
    sound_gaps,
    frames_stale,
    times_unmapped,
    clock_steps,
    sound_slips,
    sound_overlaps,
    pools_shrunk,
    viewer_frames,
    warnings,
    events_dropped;
    maxima: lag_max_ns
);

/// Shared eyes on one source. A clone sees the same source.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    inner: Arc<WatchInner>,
}

#[derive(Debug, Default)]
struct WatchInner {
    cells: Cells,
    events: Mutex<VecDeque<IngestEvent>>,
}

impl Watch {
    /// The counters now.
    pub fn counters(&self) -> IngestCounters {
        self.inner.cells.snapshot()
    }

    /// Takes the events that wait, oldest first. At most 64 wait; older ones are dropped and counted.
    pub fn take_events(&self) -> Vec<IngestEvent> {
        let mut events = self
            .inner
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    pub(crate) fn event(&self, event: IngestEvent) {
        tracing::debug!(?event, "source event");
        let mut events = self
            .inner
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if events.len() >= EVENT_CAPACITY {
            events.pop_front();
            self.events_dropped(1);
        }
        events.push_back(event);
    }

    /// Notes the lag of one pulled frame.
    pub(crate) fn lag(&self, lag_ns: u64) {
        self.inner
            .cells
            .lag_max_ns
            .fetch_max(lag_ns, Ordering::Relaxed);
        if lag_ns > 100_000_000 {
            self.frames_late(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_events_are_bounded_and_counted() {
        let watch = Watch::default();
        for pts_ns in 0..70 {
            watch.event(IngestEvent::KeyFrameWanted { pts_ns });
        }
        let events = watch.take_events();
        assert_eq!(events.len(), 64);
        assert_eq!(events[0], IngestEvent::KeyFrameWanted { pts_ns: 6 });
        assert_eq!(watch.counters().events_dropped, 6);
        assert!(watch.take_events().is_empty());
    }

    #[test]
    fn the_greatest_lag_is_kept() {
        let watch = Watch::default();
        watch.lag(150_000_000);
        watch.lag(20);
        assert_eq!(watch.counters().lag_max_ns, 150_000_000);
        assert_eq!(watch.counters().frames_late, 1);
    }
}
