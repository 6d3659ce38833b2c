//! Lowering a rate: the exact rule, and the older tick rule for comparison (pipeline 1.3 and 2.3).

use std::marker::PhantomData;
use std::num::NonZeroU32;

use crate::error::NodeError;
use crate::node::{Emitter, Layer};
use crate::packet::{MediaTime, Packet, Payload};
use crate::stats::DropReason;

const NANOS_PER_SEC: i128 = 1_000_000_000;

/// Duration of one tick, `num / den` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBase {
    /// Numerator.
    pub num: NonZeroU32,
    /// Denominator.
    pub den: NonZeroU32,
}

impl TimeBase {
    /// A time base; `None` when either part is zero.
    pub fn new(num: u32, den: u32) -> Option<Self> {
        Some(Self {
            num: NonZeroU32::new(num)?,
            den: NonZeroU32::new(den)?,
        })
    }

    /// Nanoseconds.
    pub const NANOS: Self = Self {
        num: NonZeroU32::MIN,
        den: NonZeroU32::MIN.saturating_add(NANOS_PER_SEC as u32 - 1),
    };

    /// Seconds per tick.
    pub fn secs(self) -> f64 {
        f64::from(self.num.get()) / f64::from(self.den.get())
    }
}

/// Keeps a packet when `floor(pts · rate)` differs from that of the last kept one; integer arithmetic, so the
/// average rate is exactly the smaller of input and target, with less than one input interval of jitter.
#[derive(Clone, Copy, Debug)]
pub struct ExactRate {
    frames: NonZeroU32,
    per_secs: NonZeroU32,
    last_slot: Option<i128>,
}

impl ExactRate {
    /// `frames` packets in `per_secs` seconds (30000 in 1001 for NTSC).
    pub fn new(frames: NonZeroU32, per_secs: NonZeroU32) -> Self {
        Self {
            frames,
            per_secs,
            last_slot: None,
        }
    }

    /// Whether the packet at `pts` is kept.
    pub fn keep(&mut self, pts: MediaTime) -> bool {
        let scaled = i128::from(pts.0) * i128::from(self.frames.get());
        let slot = scaled.div_euclid(NANOS_PER_SEC * i128::from(self.per_secs.get()));
        let keep = self.last_slot != Some(slot);
        if keep {
            self.last_slot = Some(slot);
        }
        keep
    }
}

/// The older rule: drops what is closer to the last kept packet than `int((1 / rate) / time base)` ticks.
/// Real rates are often not the wanted ones (30 to 20 gives 30).
#[derive(Clone, Copy, Debug)]
pub struct SeedRate {
    min_ticks: i64,
    last: Option<i64>,
}

impl SeedRate {
    /// `rate_hz` in ticks of the first packet's time base; a rate that is not positive keeps everything.
    pub fn new(rate_hz: f64, time_base: TimeBase) -> Self {
        let ticks = (1.0 / rate_hz) / time_base.secs();
        // A float cast saturates, and NaN becomes 0.
        Self {
            min_ticks: if rate_hz > 0.0 { ticks as i64 } else { 0 },
            last: None,
        }
    }

    /// Whether the packet at `pts_ticks` is kept.
    pub fn keep(&mut self, pts_ticks: i64) -> bool {
        let keep = self
            .last
            .is_none_or(|last| pts_ticks.saturating_sub(last) >= self.min_ticks);
        if keep {
            self.last = Some(pts_ticks);
        }
        keep
    }
}

/// Layer that lowers the rate of a stream; what it removes is counted under [`DropReason::Rate`].
pub struct Fps<T> {
    initial: Rule,
    rule: Rule,
    payload: PhantomData<fn(T) -> T>,
}

#[derive(Clone, Copy)]
enum Rule {
    Exact(ExactRate),
    Seed(SeedRate, TimeBase),
}

impl<T> Fps<T> {
    /// Exactly `rate_hz` packets per second of media time, or fewer if fewer come.
    pub fn to(rate_hz: NonZeroU32) -> Self {
        Self::ratio(rate_hz, NonZeroU32::MIN)
    }

    /// Exactly `frames` packets in `per_secs` seconds of media time.
    pub fn ratio(frames: NonZeroU32, per_secs: NonZeroU32) -> Self {
        Self::with(Rule::Exact(ExactRate::new(frames, per_secs)))
    }

    /// The older tick rule, counting in ticks of `time_base`.
    pub fn seed_rule(rate_hz: f64, time_base: TimeBase) -> Self {
        Self::with(Rule::Seed(SeedRate::new(rate_hz, time_base), time_base))
    }

    fn with(rule: Rule) -> Self {
        Self {
            initial: rule,
            rule,
            payload: PhantomData,
        }
    }
}

impl<T: Payload> Layer for Fps<T> {
    type In = T;
    type Out = T;

    fn start(&mut self) -> Result<(), NodeError> {
        self.rule = self.initial;
        Ok(())
    }

    fn process(&mut self, packet: Packet<T>, out: &mut Emitter<'_, T>) -> Result<(), NodeError> {
        let keep = match &mut self.rule {
            Rule::Exact(rule) => rule.keep(packet.pts),
            Rule::Seed(rule, time_base) => {
                rule.keep((packet.pts.as_secs() / time_base.secs()).round() as i64)
            }
        };
        if keep {
            out.emit(packet.pts, packet.payload);
        } else {
            out.count_drop(DropReason::Rate, packet.pts);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::run_layer;

    fn rate(hz: u32) -> NonZeroU32 {
        NonZeroU32::new(hz).unwrap()
    }

    #[test]
    fn ten_seconds_at_thirty_give_the_wanted_number() {
        for (hz, expected) in [
            (20, 200),
            (12, 120),
            (25, 250),
            (7, 70),
            (30, 300),
            (60, 300),
        ] {
            let input =
                (0..300).map(|frame| Packet::new(MediaTime(frame * 1_000_000_000 / 30 + 1), frame));
            let kept = run_layer(&mut Fps::to(rate(hz)), input).unwrap();
            assert!(kept.len().abs_diff(expected) <= 1, "{hz}: {}", kept.len());
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut exact = ExactRate::new(rate(u32::MAX), rate(1));
        assert!(exact.keep(MediaTime::MIN) && exact.keep(MediaTime::MAX));
        for hz in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let mut seed = SeedRate::new(hz, TimeBase::NANOS);
            assert!(seed.keep(i64::MIN));
            seed.keep(i64::MAX);
        }
    }

    #[test]
    fn the_nanosecond_base_is_one_billionth() {
        assert_eq!(TimeBase::NANOS.secs(), 1e-9);
        assert_eq!(TimeBase::new(0, 1), None);
    }
}
