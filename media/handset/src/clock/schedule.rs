//! When to ping (device 6.3, 1).

/// Pings of one burst.
pub const BURST_PINGS: u32 = 8;

const EAGER_NS: i64 = 10_000_000_000;
const EAGER_PERIOD_NS: i64 = 500_000_000;
const PERIOD_NS: i64 = 1_000_000_000;
const SPACING_NS: i64 = 4_000_000;

/// Bursts of 8 pings spaced 4 to 8 ms, one per 0.5 s for the first 10 s, then one per second.
#[derive(Debug, Clone)]
pub struct PingSchedule {
    started_ns: i64,
    burst_ns: i64,
    sent: u32,
}

impl PingSchedule {
    /// The first ping is due at once.
    #[must_use]
    pub fn new(now_ns: i64) -> Self {
        Self {
            started_ns: now_ns,
            burst_ns: now_ns,
            sent: 0,
        }
    }

    /// A ping was answered or given up. Returns when the next is due and whether it opens a new burst; `random` spreads the
    /// spacing.
    pub fn next(&mut self, now_ns: i64, random: u32) -> (i64, bool) {
        self.sent += 1;
        if self.sent < BURST_PINGS {
            let jitter = i64::from(random % 4_000_001);
            return (now_ns + SPACING_NS + jitter, false);
        }
        self.sent = 0;
        let is_eager = now_ns.saturating_sub(self.started_ns) < EAGER_NS;
        let period = if is_eager { EAGER_PERIOD_NS } else { PERIOD_NS };
        self.burst_ns = (self.burst_ns + period).max(now_ns);
        (self.burst_ns, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_eager_at_first() {
        let mut schedule = PingSchedule::new(0);
        let (mut now, mut bursts) = (0, Vec::new());
        for random in 0..400_u32 {
            let (due, is_new) = schedule.next(now, random.wrapping_mul(2_654_435_761));
            if is_new {
                bursts.push(due);
            } else {
                assert!((4_000_000..=8_000_000).contains(&(due - now)));
            }
            now = due;
        }
        assert_eq!(bursts[0], 500_000_000);
        assert_eq!(bursts[21] - bursts[20], 1_000_000_000);
    }
}
