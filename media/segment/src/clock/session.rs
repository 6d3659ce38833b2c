//! The session clock: media time zero is one UTC instant, fixed for the life of the session.

use lsie_schemas::time::UtcMicros;

/// Maps media time (`pts`, nanoseconds from the start of the source) to UTC and back.
///
/// The epoch is the only label; media time itself never steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionClock {
    epoch: UtcMicros,
}

impl SessionClock {
    /// A clock on which media time zero is `epoch`.
    #[must_use]
    pub const fn new(epoch: UtcMicros) -> Self {
        Self { epoch }
    }

    /// UTC of media time zero.
    #[must_use]
    pub const fn epoch(self) -> UtcMicros {
        self.epoch
    }

    /// Epoch seconds of a media time: `epoch + pts`, one addition in f64 (math 1.2).
    #[must_use]
    pub fn epoch_secs_at(self, pts_ns: i64) -> f64 {
        self.epoch.as_epoch_secs() + pts_ns as f64 / 1e9
    }

    /// Instant of a media time, nearest microsecond, ties to even; saturates at the ends of the calendar.
    #[must_use]
    pub fn utc_at(self, pts_ns: i64) -> UtcMicros {
        let (micros, rest) = (pts_ns.div_euclid(1000), pts_ns.rem_euclid(1000));
        let up = rest > 500 || (rest == 500 && micros % 2 != 0);
        UtcMicros(
            self.epoch
                .0
                .saturating_add(micros)
                .saturating_add(i64::from(up)),
        )
    }

    /// Media time of an instant in nanoseconds, saturating.
    #[must_use]
    pub fn pts_of(self, utc: UtcMicros) -> i64 {
        utc.0.saturating_sub(self.epoch.0).saturating_mul(1000)
    }

    /// Media time of epoch seconds; `None` when not finite or outside the calendar.
    #[must_use]
    pub fn pts_of_epoch_secs(self, epoch_secs: f64) -> Option<i64> {
        UtcMicros::from_epoch_secs(epoch_secs).map(|utc| self.pts_of(utc))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: UtcMicros = UtcMicros(1_767_225_600_000_000);

    #[test]
    fn half_microseconds_round_to_even() {
        let clock = SessionClock::new(EPOCH);
        let at = |pts| clock.utc_at(pts).0 - EPOCH.0;
        assert_eq!(
            [
                at(499),
                at(500),
                at(501),
                at(1500),
                at(2500),
                at(-500),
                at(-1500)
            ],
            [0, 0, 1, 2, 2, 0, -2]
        );
    }

    #[test]
    fn media_time_survives_the_round_trip_for_ten_hours() {
        let clock = SessionClock::new(EPOCH);
        for second in (0..36_000).step_by(7) {
            let pts = second * 1_000_000_000 + 33_333_000;
            assert_eq!(clock.pts_of(clock.utc_at(pts)), pts);
            assert_eq!(clock.pts_of_epoch_secs(clock.epoch_secs_at(pts)), Some(pts));
        }
    }

    #[test]
    fn extremes_saturate() {
        let clock = SessionClock::new(EPOCH);
        assert_eq!(clock.pts_of(UtcMicros(i64::MAX)), i64::MAX);
        assert!(clock.utc_at(i64::MIN) < EPOCH);
        assert_eq!(clock.pts_of_epoch_secs(f64::NAN), None);
    }
}
