//! Offset of a device's wall clock from polls, held while polls fail (math 2).

/// One attempt to read the device clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DriftPoll<'a> {
    /// The device answered with text between the two host stamps (epoch seconds).
    Reply {
        /// Host time before the call.
        before_s: f64,
        /// Host time after the call.
        after_s: f64,
        /// What the device printed.
        device_text: &'a str,
    },
    /// The device answered with a number.
    Value {
        /// Host time before the call.
        before_s: f64,
        /// Host time after the call.
        after_s: f64,
        /// Device epoch seconds.
        device_s: f64,
    },
    /// The call failed, timed out or exited non-zero.
    Failed,
}

/// What is known about the offset at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of math 2, not states of one machine"
)]
pub struct DriftState {
    /// Host minus device in seconds; add it once to a device timestamp. 0 before the first good poll.
    pub offset_s: f64,
    /// True after three failures in a row; a good poll ends it at once.
    pub is_frozen: bool,
    /// False before the first good poll and after 300 s frozen. The offset is still the best one known.
    pub is_valid: bool,
    /// Half of the last good poll's round trip, seconds: the error bound of the offset.
    pub uncertainty_s: f64,
    /// The offset exceeds 150 ms: informational.
    pub is_large: bool,
    /// The last two good polls differ by more than 50 ms: alignment inside a segment suffers.
    pub has_jumped: bool,
}

/// Keeps the newest good offset. Rule B1: freezing never drops it.
#[derive(Debug, Clone, Default)]
pub struct DriftEstimator {
    offset_s: Option<f64>,
    uncertainty_s: f64,
    jump_s: f64,
    failures: u32,
    frozen_since_s: Option<f64>,
}

impl DriftEstimator {
    /// Failures in a row that freeze the offset.
    pub const FAILURES_TO_FREEZE: u32 = 3;
    /// Seconds frozen after which the offset is no longer called valid.
    pub const VALID_WHILE_FROZEN_SECS: f64 = 300.0;
    /// Longest round trip that still counts as an answer, seconds.
    pub const POLL_LIMIT_SECS: f64 = 5.0;

    /// Takes the outcome of a poll that ended at monotonic time `now_mono_s`.
    pub fn record(&mut self, poll: DriftPoll<'_>, now_mono_s: f64) -> DriftState {
        if let Some((offset_s, round_trip_s)) = good_offset(poll) {
            self.jump_s = self.offset_s.map_or(0.0, |last| (offset_s - last).abs());
            self.offset_s = Some(offset_s);
            self.uncertainty_s = round_trip_s / 2.0;
            self.failures = 0;
            self.frozen_since_s = None;
        } else {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= Self::FAILURES_TO_FREEZE && self.frozen_since_s.is_none() {
                self.frozen_since_s = Some(now_mono_s);
            }
        }
        self.state(now_mono_s)
    }

    /// What holds at monotonic time `now_mono_s`.
    #[must_use]
    pub fn state(&self, now_mono_s: f64) -> DriftState {
        let offset_s = self.offset_s.unwrap_or(0.0);
        let frozen_secs = self.frozen_since_s.map_or(0.0, |since| now_mono_s - since);
        DriftState {
            offset_s,
            is_frozen: self.frozen_since_s.is_some(),
            is_valid: self.offset_s.is_some() && frozen_secs < Self::VALID_WHILE_FROZEN_SECS,
            uncertainty_s: self.uncertainty_s,
            is_large: offset_s.abs() > 0.150,
            has_jumped: self.jump_s > 0.050,
        }
    }

    /// Device epoch seconds to host epoch seconds. To be applied once, where the timestamp enters (math 2.3).
    #[must_use]
    pub fn correct(&self, device_epoch_s: f64) -> f64 {
        device_epoch_s + self.offset_s.unwrap_or(0.0)
    }
}

fn good_offset(poll: DriftPoll<'_>) -> Option<(f64, f64)> {
    let (before_s, after_s, device_s) = match poll {
        DriftPoll::Failed => return None,
        DriftPoll::Value {
            before_s,
            after_s,
            device_s,
        } => (before_s, after_s, device_s),
        DriftPoll::Reply {
            before_s,
            after_s,
            device_text,
        } => (before_s, after_s, device_text.trim().parse().ok()?),
    };
    let round_trip_s = after_s - before_s;
    let offset_s = f64::midpoint(before_s, after_s) - device_s;
    let is_good =
        offset_s.is_finite() && (0.0..=DriftEstimator::POLL_LIMIT_SECS).contains(&round_trip_s);
    is_good.then_some((offset_s, round_trip_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(offset: f64) -> DriftPoll<'static> {
        DriftPoll::Value {
            before_s: 100.0,
            after_s: 100.2,
            device_s: 100.1 - offset,
        }
    }

    #[test]
    fn the_offset_outlives_its_validity_and_recovers_at_once() {
        let mut drift = DriftEstimator::default();
        drift.record(good(0.75), 0.0);
        for mono in [30.0, 60.0, 90.0] {
            drift.record(DriftPoll::Failed, mono);
        }
        assert!(drift.state(389.9).is_valid);
        let stale = drift.state(390.0);
        assert!(!stale.is_valid && stale.is_frozen && (stale.offset_s - 0.75).abs() < 1e-9);
        let fresh = drift.record(good(0.85), 420.0);
        assert!(fresh.is_valid && !fresh.is_frozen && fresh.has_jumped);
        assert!(!drift.record(good(0.87), 450.0).has_jumped);
    }

    #[test]
    fn unusable_answers_are_failures() {
        let mut drift = DriftEstimator::default();
        for text in ["nan", "inf", "-inf", "", "12:00", "1e999"] {
            let state = drift.record(
                DriftPoll::Reply {
                    before_s: 0.0,
                    after_s: 0.1,
                    device_text: text,
                },
                1.0,
            );
            assert!(!state.is_valid && state.offset_s == 0.0, "{text}");
        }
        let backwards = DriftPoll::Value {
            before_s: 2.0,
            after_s: 1.0,
            device_s: 1.0,
        };
        assert!(!drift.record(backwards, 2.0).is_valid);
        let too_long = DriftPoll::Value {
            before_s: 0.0,
            after_s: 5.1,
            device_s: 1.0,
        };
        assert!(!drift.record(too_long, 3.0).is_valid);
    }
}
