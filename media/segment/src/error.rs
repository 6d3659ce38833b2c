//! What can go wrong, by what the caller can do about it.

/// Refusal of a segment part. Every refusal is also counted where it happened.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SegmentError {
    /// Media time went backwards; the item is dropped, the next one may be fine.
    #[error("media time stepped back from {expected_ns} ns to {got_ns} ns")]
    StepBack {
        /// Where the stream stands.
        expected_ns: i64,
        /// Where the item claims to be.
        got_ns: i64,
    },
    /// Media time jumped further ahead than the ring spans; accepted once a second item confirms the jump.
    #[error("media time jumped ahead by {by_ns} ns")]
    JumpAhead {
        /// Distance of the jump.
        by_ns: i64,
    },
    /// A time or value is NaN, infinite or outside the calendar; the item is dropped.
    #[error("{what} is not finite or out of range")]
    NotFinite {
        /// Which quantity.
        what: &'static str,
    },
    /// The same stimulus time is already waiting.
    #[error("a stimulus at this time is already waiting")]
    DuplicateStimulus,
    /// Too many stimuli wait for their windows to close; try again later.
    #[error("{limit} stimuli are already waiting")]
    TooManyStimuli {
        /// Largest number that may wait.
        limit: usize,
    },
    /// The window has not been filled yet; ask again after more samples.
    #[error("{missing_samples} samples are still missing")]
    NotReady {
        /// Samples between the ring's end and the window's end.
        missing_samples: i64,
    },
    /// The window starts before the oldest sample the ring still holds; it cannot be cut any more.
    #[error("{lost_samples} samples of the window were already overwritten")]
    Evicted {
        /// Samples that are gone.
        lost_samples: i64,
    },
    /// The cursor was not handed out by this ring.
    #[error("unknown cursor")]
    UnknownCursor,
}
