//! How much the cable carries, and what to ask for where that is too little (device 7, F18). Pure.

use std::collections::VecDeque;

/// Time over which is measured, nanoseconds.
const SPAN_NS: i64 = 4_000_000_000;
/// Fewer pictures than this in the span say nothing.
const LEAST_PICTURES: usize = 15;
/// Pictures that are kept; 4 s at 240 a second. Loss policy: the oldest goes, the span is shorter then.
const MOST_PICTURES: usize = 960;
/// A proposal stands until no picture was late for this long, nanoseconds.
const HOLD_NS: i64 = 10_000_000_000;
/// Part of what was carried that is proposed: the rest is room for key pictures.
const ROOM: f64 = 0.7;
/// Proposals are whole multiples of this, bits per second.
const STEP_BPS: u32 = 100_000;

#[derive(Debug, Clone, Copy)]
struct Arrival {
    at_ns: i64,
    bytes: usize,
    is_late: bool,
}

/// Measures one stream of pictures as it arrives.
#[derive(Debug, Clone, Default)]
pub struct CableMeter {
    asked_bps: u32,
    arrivals: VecDeque<Arrival>,
    late_ns: Option<i64>,
    proposal_bps: Option<u32>,
}

impl CableMeter {
    /// For pictures of which the phone was asked for so many bits per second.
    #[must_use]
    pub fn new(asked_bps: u32) -> Self {
        Self {
            asked_bps,
            ..Self::default()
        }
    }

    /// The stream begins anew: what came before says nothing about its rate. A proposal stands.
    pub fn restart(&mut self) {
        self.arrivals.clear();
    }

    /// A picture of so many bytes arrived now, late or not.
    pub fn push(&mut self, bytes: usize, is_late: bool, now_ns: i64) {
        if self.arrivals.len() >= MOST_PICTURES {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(Arrival {
            at_ns: now_ns,
            bytes,
            is_late,
        });
        self.forget(now_ns);
        if is_late {
            self.late_ns = Some(now_ns);
        }
        let late = self.arrivals.iter().filter(|one| one.is_late).count();
        if self.arrivals.len() >= LEAST_PICTURES && late * 2 >= self.arrivals.len() {
            self.proposal_bps = self.bit_rate_bps().and_then(|carried_bps| {
                let rounded_bps = (f64::from(carried_bps) * ROOM) as u32 / STEP_BPS * STEP_BPS;
                Some(rounded_bps.max(STEP_BPS)).filter(|bps| *bps < self.asked_bps)
            });
        }
    }

    /// Pictures per second that arrived; `None` before enough did.
    #[must_use]
    pub fn fps(&self) -> Option<f64> {
        let span_secs = self.span_secs()?;
        Some(self.arrivals.len().saturating_sub(1) as f64 / span_secs)
    }

    /// Bits of pictures per second that arrived; `None` before enough did.
    #[must_use]
    pub fn bit_rate_bps(&self) -> Option<u32> {
        let bytes: usize = self.arrivals.iter().skip(1).map(|one| one.bytes).sum();
        Some((bytes as f64 * 8.0 / self.span_secs()?) as u32)
    }

    /// Bit rate to ask for instead, below what was asked for: most pictures came late within the last 4 s, and one within
    /// the last 10 s. `None` where they are late although the cable carries more than was asked for.
    #[must_use]
    pub fn proposal_bps(&self, now_ns: i64) -> Option<u32> {
        let late_ns = self.late_ns?;
        self.proposal_bps
            .filter(|_| now_ns.saturating_sub(late_ns) <= HOLD_NS)
    }

    fn forget(&mut self, now_ns: i64) {
        while let Some(oldest) = self.arrivals.front()
            && now_ns.saturating_sub(oldest.at_ns) > SPAN_NS
        {
            self.arrivals.pop_front();
        }
        if self.late_ns.is_some() && self.proposal_bps(now_ns).is_none() {
            self.proposal_bps = None;
        }
    }

    /// Seconds from the first picture of the span to its last.
    fn span_secs(&self) -> Option<f64> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let span_ns = last.at_ns.saturating_sub(first.at_ns);
        (self.arrivals.len() >= LEAST_PICTURES && span_ns > 0).then(|| span_ns as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_NS: i64 = 33_333_333;
    const ASKED_BPS: u32 = 8_000_000;

    fn play(meter: &mut CableMeter, from_ns: i64, pictures: i64, is_late: bool) -> i64 {
        let times = (0..pictures).map(|number| from_ns + number * FRAME_NS);
        times.for_each(|at_ns| meter.push(12_600, is_late, at_ns));
        from_ns + pictures * FRAME_NS
    }

    #[test]
    fn what_arrives_is_measured() {
        let mut meter = CableMeter::new(ASKED_BPS);
        play(&mut meter, 0, 10, false);
        assert_eq!((meter.fps(), meter.bit_rate_bps()), (None, None));
        let now_ns = play(&mut meter, 10 * FRAME_NS, 200, false);
        assert!((meter.fps().unwrap() - 30.0).abs() < 0.01);
        assert!(meter.bit_rate_bps().unwrap().abs_diff(3_024_000) < 1000);
        assert_eq!(meter.proposal_bps(now_ns), None);
    }

    #[test]
    fn a_cable_on_which_most_pictures_are_late_gets_a_proposal_below_what_it_carries() {
        let mut meter = CableMeter::new(ASKED_BPS);
        let now_ns = play(&mut meter, 0, 60, false);
        let now_ns = play(&mut meter, now_ns, 59, true);
        assert_eq!(meter.proposal_bps(now_ns), None, "fewer than half");
        let now_ns = play(&mut meter, now_ns, 10, true);
        assert_eq!(
            meter.proposal_bps(now_ns),
            Some(2_100_000),
            "0.7 of 3.0 Mbit/s"
        );
        let now_ns = play(&mut meter, now_ns, 290, false);
        assert!(meter.proposal_bps(now_ns).is_some(), "held for 10 s");
        let now_ns = play(&mut meter, now_ns, 20, false);
        assert_eq!(meter.proposal_bps(now_ns), None, "the cable is well again");
    }

    #[test]
    fn less_than_was_asked_for_is_proposed_and_no_less_than_a_phone_can() {
        for (bytes, asked_bps, proposed) in [
            (12_500, 400_000, None),
            (12_500, 2_100_000, None),
            (12_500, 2_200_000, Some(2_100_000)),
            (10, ASKED_BPS, Some(STEP_BPS)),
            (10, STEP_BPS, None),
            (10, 0, None),
            (usize::MAX / 4096, ASKED_BPS, None),
        ] {
            let mut meter = CableMeter::new(asked_bps);
            (0..40).for_each(|number| meter.push(bytes, true, number * FRAME_NS));
            assert_eq!(meter.proposal_bps(0), proposed, "{bytes} of {asked_bps}");
        }
    }

    #[test]
    fn times_that_stand_still_or_go_back_measure_nothing() {
        let mut meter = CableMeter::default();
        for at_ns in [i64::MAX, 0, i64::MIN, 5, 5].into_iter().cycle().take(4000) {
            meter.push(1000, true, at_ns);
            let _ = (meter.fps(), meter.bit_rate_bps(), meter.proposal_bps(at_ns));
        }
        assert!(meter.arrivals.len() <= MOST_PICTURES);
    }
}
