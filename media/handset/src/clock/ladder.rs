//! Which map is used when: responder, one-way, held over, none (device 6.2).

use std::collections::VecDeque;

use super::map::{BurstOutcome, ClockMap, ClockSample, DeviceClock};

/// Stated error bound of the one-way map, nanoseconds.
pub const ONE_WAY_UNCERTAINTY_NS: f64 = 30e6;

const ENVELOPE_NS: i64 = 30_000_000_000;
const BIN_NS: i64 = 1_000_000_000;

/// What maps the phone's clock right now; shown as `clock=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockState {
    /// The responder answers.
    Good,
    /// Arrivals of pictures alone; uncertainty 30 ms.
    OneWay,
    /// The last map of the responder, with growing uncertainty.
    Holdover,
    /// Nothing yet.
    #[default]
    None,
}

impl ClockState {
    /// The word in status rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OneWay => "one_way",
            Self::Holdover => "holdover",
            Self::None => "none",
        }
    }
}

/// Our time of something on the phone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MappedTime {
    /// Our monotonic clock, nanoseconds.
    pub host_ns: i64,
    /// Error bound, nanoseconds.
    pub uncertainty_ns: f64,
    /// Epoch of the map; times of two epochs do not compare.
    pub epoch: u32,
    /// Which rung gave it.
    pub state: ClockState,
}

/// All maps of one session and the choice between them.
#[derive(Debug, Clone)]
pub struct ClockLadder {
    responder: DeviceClock,
    /// Least arrival minus PTS of each second, with its second.
    envelope: VecDeque<(i64, i64)>,
    transport_ns: i64,
}

impl ClockLadder {
    /// `transport_ns` is the assumed time from capture to arrival for the one-way map; the usual value is 30 ms.
    #[must_use]
    pub fn new(transport_ns: i64, first_epoch: u32) -> Self {
        Self {
            responder: DeviceClock::starting_at(first_epoch),
            envelope: VecDeque::new(),
            transport_ns,
        }
    }

    /// A burst of the responder.
    pub fn push_burst(&mut self, burst: &[ClockSample]) -> BurstOutcome {
        self.responder.push_burst(burst)
    }

    /// A picture with this PTS arrived; feeds the one-way map.
    pub fn push_arrival(&mut self, device_ns: i64, arrived_ns: i64) {
        let Some(late) = arrived_ns.checked_sub(device_ns) else {
            return;
        };
        let bin = arrived_ns.div_euclid(BIN_NS);
        match self.envelope.back_mut() {
            Some((last, least)) if *last == bin => *least = late.min(*least),
            _ => self.envelope.push_back((bin, late)),
        }
        let oldest = arrived_ns.saturating_sub(ENVELOPE_NS).div_euclid(BIN_NS);
        while self.envelope.front().is_some_and(|(bin, _)| *bin < oldest) {
            self.envelope.pop_front();
        }
    }

    /// The responder's map, fresh or held over.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        self.responder.map()
    }

    /// Least round trip of the window, nanoseconds.
    #[must_use]
    pub fn least_rtt_ns(&self) -> Option<i64> {
        self.responder.least_rtt_ns()
    }

    /// Which rung holds at our time `now_ns`: the responder while fresh, then whichever has the smaller error bound.
    #[must_use]
    pub fn state(&self, now_ns: i64) -> ClockState {
        match (self.map(), self.envelope.is_empty()) {
            (Some(map), _) if map.is_fresh(now_ns) => ClockState::Good,
            (Some(map), no_arrivals)
                if no_arrivals || map.uncertainty_ns(now_ns) <= ONE_WAY_UNCERTAINTY_NS =>
            {
                ClockState::Holdover
            }
            (_, false) => ClockState::OneWay,
            _ => ClockState::None,
        }
    }

    /// Our time of a phone's monotonic time; `None` while nothing maps.
    #[must_use]
    pub fn host_time(&self, device_ns: i64, now_ns: i64) -> Option<MappedTime> {
        let state = self.state(now_ns);
        let (host_ns, uncertainty_ns) = match state {
            ClockState::Good | ClockState::Holdover => {
                let map = self.map()?;
                (map.host_of_device(device_ns), map.uncertainty_ns(now_ns))
            }
            ClockState::OneWay => {
                let least = self.envelope.iter().map(|(_, least)| *least).min()?;
                let host_ns = device_ns
                    .saturating_add(least)
                    .saturating_sub(self.transport_ns);
                (host_ns, ONE_WAY_UNCERTAINTY_NS)
            }
            ClockState::None => return None,
        };
        Some(MappedTime {
            host_ns,
            uncertainty_ns,
            epoch: self.map().map_or(0, |map| map.epoch),
            state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;
    const MS: i64 = 1_000_000;

    fn ping(at: i64) -> ClockSample {
        ClockSample {
            sent_ns: at,
            device_ns: at + 7 * S + MS / 2,
            received_ns: at + MS,
        }
    }

    #[test]
    fn the_ladder_goes_down_and_up() {
        let mut ladder = ClockLadder::new(30 * MS, 3);
        assert_eq!(ladder.state(0), ClockState::None);
        assert_eq!(ladder.host_time(5, 0), None);
        for n in 0..10 {
            ladder.push_arrival(7 * S + n * 33 * MS, n * 33 * MS + (40 + n % 4) * MS);
        }
        let one_way = ladder.host_time(8 * S, S).unwrap();
        assert_eq!(one_way.state, ClockState::OneWay);
        assert_eq!(one_way.host_ns, S + 10 * MS);
        ladder.push_burst(&[ping(S)]);
        let good = ladder.host_time(8 * S, S + MS).unwrap();
        assert_eq!((good.state, good.epoch), (ClockState::Good, 3));
        assert!((good.host_ns - S).abs() < 1000);
        assert_eq!(ladder.state(5 * S), ClockState::Holdover);
        let held = ladder.host_time(12 * S, 5 * S).unwrap();
        assert!(held.uncertainty_ns > good.uncertainty_ns + 1e6);
        assert_eq!(ladder.state(3000 * S), ClockState::OneWay);
    }
}
