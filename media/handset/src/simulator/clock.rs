//! The phone's clocks as a function of ours.

/// `device = host * (1 + ppm) + offset`, all in nanoseconds of our epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhoneClock {
    /// Rate against ours.
    pub ppm: f64,
    /// Monotonic clock at our zero.
    pub offset_ns: i64,
    /// Time the phone slept: boottime minus monotonic.
    pub slept_ns: i64,
    /// Wall clock minus monotonic.
    pub wall_ns: i64,
}

impl PhoneClock {
    /// The phone's monotonic clock at our time.
    #[must_use]
    pub fn monotonic_ns(&self, host_ns: i64) -> i64 {
        host_ns + (host_ns as f64 * self.ppm * 1e-6).round() as i64 + self.offset_ns
    }

    /// Another rate from our time `host_ns` on, without a step.
    pub fn turn_to(&mut self, ppm: f64, host_ns: i64) {
        let before_ns = self.monotonic_ns(host_ns);
        self.ppm = ppm;
        self.offset_ns += before_ns - self.monotonic_ns(host_ns);
    }

    /// The responder's answer to a request.
    #[must_use]
    pub fn answer(&self, echo: &[u8], host_ns: i64) -> Vec<u8> {
        let monotonic = self.monotonic_ns(host_ns);
        let mut bytes = echo.to_vec();
        for time in [
            monotonic,
            monotonic + self.slept_ns,
            monotonic + self.wall_ns,
        ] {
            bytes.extend((time.div_euclid(1_000_000_000)).to_le_bytes());
            bytes.extend((time.rem_euclid(1_000_000_000)).to_le_bytes());
        }
        bytes
    }
}
