//! How slow the cable is. Pure.

use std::time::Duration;

/// The cable's model; the default carries everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkModel {
    /// Bits per second; 0 is without bound.
    pub rate_bps: u64,
    /// Most that one message in 32 holds up the cable, milliseconds.
    pub jitter_ms: u64,
}

impl LinkModel {
    /// How long a message of so many bytes keeps the cable busy; `dice` chooses within the jitter.
    #[must_use]
    pub fn hold(self, bytes: usize, dice: u64) -> Duration {
        let wire_ns = (bytes as u64)
            .saturating_mul(8_000_000_000)
            .checked_div(self.rate_bps)
            .unwrap_or(0);
        let most_us = if dice.is_multiple_of(32) {
            self.jitter_ms.saturating_mul(1000)
        } else {
            0
        };
        let jitter_us = dice / 32 % (most_us + 1);
        Duration::from_nanos(wire_ns) + Duration::from_micros(jitter_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_cable_is_busy_for_the_length_of_a_message() {
        assert_eq!(LinkModel::default().hold(1 << 20, 77), Duration::ZERO);
        let slow = LinkModel {
            rate_bps: 20_000_000,
            jitter_ms: 40,
        };
        assert_eq!(slow.hold(2500, 0), Duration::from_millis(1));
        let holds = (0..3200).map(|dice| slow.hold(0, dice * 997));
        let held = holds
            .filter(|hold| *hold > Duration::ZERO)
            .collect::<Vec<_>>();
        assert!((50..=100).contains(&held.len()), "{}", held.len());
        assert!(held.iter().all(|hold| *hold <= Duration::from_millis(40)));
    }
}
