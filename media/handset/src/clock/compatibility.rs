//! The older system's drift value (device 6.3, 9): reported, never applied.

const MISSED_TO_FREEZE: u32 = 3;
const MAX_FROZEN_NS: i64 = 300_000_000_000;

/// `drift_offset = host_utc - device_epoch`, seconds.
#[derive(Debug, Clone, Default)]
pub struct CompatibilityOffset {
    newest: Option<(f64, i64)>,
    missed: u32,
}

impl CompatibilityOffset {
    /// Takes one burst: both wall clocks in nanoseconds since 1970 and our monotonic time, or `None` for a missed burst.
    pub fn push(&mut self, burst: Option<(i64, i64, i64)>) {
        match burst {
            Some((host_utc_ns, device_utc_ns, now_ns)) => {
                let offset_secs = host_utc_ns.saturating_sub(device_utc_ns) as f64 / 1e9;
                self.newest = Some((offset_secs, now_ns));
                self.missed = 0;
            }
            None => self.missed = self.missed.saturating_add(1),
        }
    }

    /// Whether three bursts in a row were missed, so that the value no longer follows.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.missed >= MISSED_TO_FREEZE
    }

    /// The value in seconds; `None`, never zero, once it is older than 300 s.
    #[must_use]
    pub fn offset_secs(&self, now_ns: i64) -> Option<f64> {
        let (offset, at_ns) = self.newest?;
        (now_ns.saturating_sub(at_ns) <= MAX_FROZEN_NS).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_freezes_and_then_disappears() {
        let mut offset = CompatibilityOffset::default();
        assert_eq!(offset.offset_secs(0), None);
        offset.push(Some((10_500_000_000, 9_000_000_000, 0)));
        for _ in 0..3 {
            offset.push(None);
        }
        assert!(offset.is_frozen());
        assert_eq!(offset.offset_secs(300_000_000_000), Some(1.5));
        assert_eq!(offset.offset_secs(300_000_000_001), None);
    }
}
