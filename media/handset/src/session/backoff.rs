//! How long to wait before trying again.

const STEPS_NS: [i64; 6] = [
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    4_000_000_000,
    8_000_000_000,
];

/// 0.25 to 8 s, doubling, each spread by 20 % either way so that several sessions do not move in step.
#[derive(Debug, Clone)]
pub struct Backoff {
    tries: usize,
    random: u64,
}

impl Backoff {
    /// Starts at the shortest wait; `seed` decides the spread.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            tries: 0,
            random: seed,
        }
    }

    /// The next wait, nanoseconds.
    pub fn next_ns(&mut self) -> i64 {
        let last = STEPS_NS.len() - 1;
        let step = STEPS_NS.get(self.tries.min(last)).copied();
        self.tries = self.tries.saturating_add(1);
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let spread = (self.random >> 33) as f64 / (1_u64 << 31) as f64;
        (step.unwrap_or(0) as f64 * (0.8 + 0.4 * spread)) as i64
    }

    /// Back to the shortest wait.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_eight_seconds_and_stay_within_their_spread() {
        let mut backoff = Backoff::new(7);
        for expected in STEPS_NS.into_iter().chain([8_000_000_000; 3]) {
            let wait = backoff.next_ns() as f64 / expected as f64;
            assert!((0.8..=1.2).contains(&wait), "{wait}");
        }
        backoff.reset();
        assert!(backoff.next_ns() <= 300_000_000);
    }
}
