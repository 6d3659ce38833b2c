//! Which of the phone's clocks a stream is stamped with (device 3.7).

/// Oldest a frame may be when it arrives, nanoseconds.
const MAX_AGE_NS: i64 = 2_000_000_000;
/// How far ahead of us a mapped frame may seem while the map settles, nanoseconds.
const SLACK_NS: i64 = 20_000_000;
const FRAMES: u32 = 5;

/// Clock of a stream's time stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeBase {
    /// Not decided yet; read as monotonic where that is plausible.
    #[default]
    Undecided,
    /// `CLOCK_MONOTONIC`, as it should be.
    Monotonic,
    /// `CLOCK_BOOTTIME`: stamps are ahead by the time the phone slept.
    Boottime,
    /// Neither fits: `sync=unknown`.
    Unknown,
}

/// Decides from the first frames whose age is known with both clocks.
#[derive(Debug, Clone, Default)]
pub struct TimeBaseDetector {
    base: TimeBase,
    candidate: TimeBase,
    agreeing: u32,
}

impl TimeBaseDetector {
    /// The decision so far.
    #[must_use]
    pub fn base(&self) -> TimeBase {
        self.base
    }

    /// Whether a frame can have this age when it arrives: not from the future, and at most 2 s old.
    #[must_use]
    pub fn is_plausible(age_ns: i64) -> bool {
        (-SLACK_NS..=MAX_AGE_NS).contains(&age_ns)
    }

    /// Takes one frame's ages, arrival minus mapped time, read with either clock; five frames in a row decide.
    /// Returns the base when this frame decided it.
    pub fn push(&mut self, monotonic_age_ns: i64, boottime_age_ns: i64) -> Option<TimeBase> {
        if self.base != TimeBase::Undecided {
            return None;
        }
        let ages = [monotonic_age_ns, boottime_age_ns].map(Self::is_plausible);
        let seen = match (ages[0], ages[1]) {
            (true, _) => TimeBase::Monotonic,
            (false, true) => TimeBase::Boottime,
            (false, false) => TimeBase::Unknown,
        };
        self.agreeing = if seen == self.candidate {
            self.agreeing + 1
        } else {
            1
        };
        self.candidate = seen;
        if self.agreeing < FRAMES {
            return None;
        }
        self.base = seen;
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_frames_that_agree_decide() {
        let decide = |monotonic: i64, boottime: i64| {
            let mut detector = TimeBaseDetector::default();
            detector.push(-1 << 50, -1 << 50);
            for _ in 0..4 {
                assert_eq!(detector.push(monotonic, boottime), None);
            }
            detector.push(monotonic, boottime)
        };
        let hour = 3_600_000_000_000;
        assert_eq!(
            decide(40_000_000, 40_000_000 + hour),
            Some(TimeBase::Monotonic)
        );
        assert_eq!(
            decide(40_000_000 - hour, 40_000_000),
            Some(TimeBase::Boottime)
        );
        let mut neither = TimeBaseDetector::default();
        let last = (0..5).filter_map(|_| neither.push(-hour, hour)).last();
        assert_eq!(last, Some(TimeBase::Unknown));
    }
}
