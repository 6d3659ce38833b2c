//! From a publisher's RTP times to our monotonic clock. Pure.

/// The least delay is looked for in two stretches of this length, nanoseconds.
const STRETCH_NS: i64 = 5_000_000_000;

/// Maps one track: the packet that was least under way within the last seconds says what the clocks differ by.
#[derive(Debug)]
pub(crate) struct RtpClock {
    rate_hz: i64,
    publisher: u64,
    last: Option<(u32, i64)>,
    began_ns: i64,
    least_ns: i64,
    before_ns: i64,
}

impl RtpClock {
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz: i64::from(rate_hz.max(1)),
            publisher: 0,
            last: None,
            began_ns: 0,
            least_ns: i64::MAX,
            before_ns: i64::MAX,
        }
    }

    /// Our time of a capture. Another publisher begins anew.
    pub(crate) fn host_ns(&mut self, publisher: u64, rtp_time: u32, arrived_ns: i64) -> i64 {
        if self.publisher != publisher {
            *self = Self {
                publisher,
                ..Self::new(self.rate_hz as u32)
            };
        }
        let ticks = match self.last {
            Some((last, ticks)) => ticks + i64::from(rtp_time.wrapping_sub(last).cast_signed()),
            None => 0,
        };
        self.last = Some((rtp_time, ticks));
        let rtp_ns = i64::try_from(i128::from(ticks) * 1_000_000_000 / i128::from(self.rate_hz))
            .unwrap_or(i64::MAX);
        let offset_ns = arrived_ns.saturating_sub(rtp_ns);
        if self.least_ns == i64::MAX {
            self.began_ns = arrived_ns;
        } else if arrived_ns.saturating_sub(self.began_ns) > STRETCH_NS {
            self.began_ns = arrived_ns;
            self.before_ns = self.least_ns;
            self.least_ns = i64::MAX;
        }
        self.least_ns = self.least_ns.min(offset_ns);
        rtp_ns.saturating_add(self.least_ns.min(self.before_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_least_delay_within_seconds_rules() {
        let mut clock = RtpClock::new(90_000);
        let first = clock.host_ns(1, u32::MAX - 2_999, 1_000 * MS);
        assert_eq!(first, 1_000 * MS);
        // One third of a second later by its clock, 20 ms late: across the wrap.
        assert_eq!(
            clock.host_ns(1, 27_000, 1_353 * MS + MS / 3),
            1_333 * MS + MS / 3
        );
        // A quicker one moves the map.
        assert_eq!(
            clock.host_ns(1, 57_000, 1_656 * MS + MS * 2 / 3),
            1_656 * MS + MS * 2 / 3
        );
    }

    #[test]
    fn another_publisher_begins_anew() {
        let mut clock = RtpClock::new(48_000);
        clock.host_ns(1, 5, 1_000 * MS);
        assert_eq!(clock.host_ns(2, 4_000_000_000, 9_000 * MS), 9_000 * MS);
    }

    #[test]
    fn a_clock_that_runs_slow_is_followed() {
        let mut clock = RtpClock::new(90_000);
        let mut last = 0;
        for n in 0..3_000_i64 {
            // 100 millionths slow: after 100 s it is 10 ms behind.
            let arrived = n * 33 * MS + n * 3_300;
            last = arrived - clock.host_ns(1, (n * 2_970) as u32, arrived);
        }
        assert!(last.abs() < 2 * MS, "{last}");
    }
}
