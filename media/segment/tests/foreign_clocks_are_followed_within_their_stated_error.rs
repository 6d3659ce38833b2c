//! A simulated device clock with rate, jitter, asymmetry, steps and restarts.

use lsie_segment::{ForeignClock, ForeignEvent, PingSample};

const SECOND: i64 = 1_000_000_000;
const OFFSET_NS: i64 = 123_456_800_000_000;

struct Simulation {
    state: u64,
    rate: f64,
    step_ns: i64,
    asymmetry_ns: f64,
}

impl Simulation {
    fn new(rate: f64) -> Self {
        Self {
            state: 7,
            rate,
            step_ns: 0,
            asymmetry_ns: 0.0,
        }
    }

    fn uniform(&mut self) -> f64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn device_at(&self, host_ns: i64) -> i64 {
        host_ns + OFFSET_NS + self.step_ns + (host_ns as f64 * self.rate) as i64
    }

    /// 0.4 ms each way, and 3 ms exponential on every fifth packet.
    fn leg_ns(&mut self) -> f64 {
        let jitter = if self.uniform() < 0.2 {
            -3e6 * (1.0 - self.uniform()).ln()
        } else {
            0.0
        };
        0.4e6 + 0.05e6 * self.uniform() + jitter
    }

    fn burst(&mut self, at_ns: i64) -> Vec<PingSample> {
        (0..8)
            .map(|k| {
                let sent_ns = at_ns + k * 6_000_000;
                let arrived = sent_ns + (self.leg_ns() + self.asymmetry_ns) as i64;
                let device_ns = self.device_at(arrived);
                PingSample {
                    sent_ns,
                    device_ns,
                    received_ns: arrived + self.leg_ns() as i64,
                }
            })
            .collect()
    }
}

#[test]
fn drifts_of_200_ppm_are_mapped_within_half_a_millisecond() {
    for rate in [-200e-6, -20e-6, 0.0, 80e-6, 200e-6] {
        let (mut simulation, mut clock) = (Simulation::new(rate), ForeignClock::default());
        let mut worst = 0.0_f64;
        for k in 0..120 {
            assert_eq!(
                clock.push_burst(&simulation.burst(k * SECOND)),
                ForeignEvent::Followed
            );
            let (map, probe) = (clock.map().unwrap(), k * SECOND + SECOND / 2);
            let error = (map.host_of_device(simulation.device_at(probe)) - probe) as f64;
            worst = worst.max(error.abs());
            assert!(
                error.abs() <= map.uncertainty_ns(probe),
                "{error} at {k} s with rate {rate}"
            );
        }
        assert!(worst < 0.5e6, "worst {worst} ns at rate {rate}");
        assert!((clock.map().unwrap().rate - rate).abs() < 10e-6);
        assert_eq!(clock.map().unwrap().has_suspect_rate(), rate.abs() > 150e-6);
    }
}

#[test]
fn asymmetry_stays_inside_the_published_uncertainty() {
    let (mut simulation, mut clock) = (Simulation::new(50e-6), ForeignClock::default());
    simulation.asymmetry_ns = 4e6;
    for k in 0..60 {
        clock.push_burst(&simulation.burst(k * SECOND));
    }
    let map = clock.map().unwrap();
    let error = (map.host_of_device(simulation.device_at(60 * SECOND)) - 60 * SECOND).abs() as f64;
    assert!(
        error <= 2.5e6 && error <= map.uncertainty_ns(60 * SECOND),
        "{error}"
    );
}

#[test]
fn a_step_starts_a_new_epoch_only_after_three_agreeing_bursts() {
    let (mut simulation, mut clock) = (Simulation::new(0.0), ForeignClock::default());
    for k in 0..20 {
        clock.push_burst(&simulation.burst(k * SECOND));
    }
    simulation.step_ns = 5 * SECOND;
    let events: Vec<ForeignEvent> = (20..24)
        .map(|k| clock.push_burst(&simulation.burst(k * SECOND)))
        .collect();
    assert_eq!(
        events,
        [
            ForeignEvent::Missed,
            ForeignEvent::Missed,
            ForeignEvent::Stepped,
            ForeignEvent::Followed
        ]
    );
    let map = clock.map().unwrap();
    assert_eq!(map.epoch, 1);
    assert!(
        (map.host_of_device(simulation.device_at(24 * SECOND)) - 24 * SECOND).abs() < 1_000_000
    );
}

#[test]
fn a_restart_forgets_the_map() {
    let (mut simulation, mut clock) = (Simulation::new(0.0), ForeignClock::default());
    clock.push_burst(&simulation.burst(10 * SECOND));
    simulation.step_ns = -OFFSET_NS;
    assert_eq!(
        clock.push_burst(&simulation.burst(11 * SECOND)),
        ForeignEvent::Restarted
    );
    assert_eq!(clock.map(), None);
}

#[test]
fn without_answers_the_uncertainty_grows() {
    let (mut simulation, mut clock) = (Simulation::new(0.0), ForeignClock::default());
    for k in 0..20 {
        clock.push_burst(&simulation.burst(k * SECOND));
    }
    let map = clock.map().unwrap();
    assert!(!map.is_degraded(60 * SECOND));
    assert!(map.is_degraded(1200 * SECOND));
    assert_eq!(clock.push_burst(&[]), ForeignEvent::Missed);
}

#[test]
fn hostile_samples_never_panic() {
    let mut clock = ForeignClock::default();
    for sent_ns in [i64::MIN, -1, 0, 1, i64::MAX] {
        for device_ns in [i64::MIN, 0, i64::MAX] {
            for received_ns in [i64::MIN, 0, 1, i64::MAX] {
                clock.push_burst(&[PingSample {
                    sent_ns,
                    device_ns,
                    received_ns,
                }]);
                if let Some(map) = clock.map() {
                    let _ = map.host_of_device(i64::MAX);
                    let _ = map.uncertainty_ns(i64::MIN);
                }
            }
        }
    }
    assert!(clock.refused() > 0);
}
