//! The clock map on virtual time: drift, jitter, steps, asymmetry (device 6.3, 6.4).

use lsie_handset::clock::{BurstOutcome, ClockSample, DeviceClock, PingSchedule};

const S: i64 = 1_000_000_000;
const US: i64 = 1_000;
/// Least one-way time of the simulated link.
const BASE_NS: i64 = 250 * US;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A phone behind a link, on virtual time.
struct Phone {
    random: Random,
    ppm: f64,
    offset_ns: i64,
    /// Extra time on the way there.
    there_ns: i64,
    /// Extra time on the way back.
    back_ns: i64,
    jitter: bool,
}

impl Phone {
    fn new(seed: u64, ppm: f64) -> Self {
        Self {
            random: Random(seed),
            ppm,
            offset_ns: 123_456 * S,
            there_ns: 0,
            back_ns: 0,
            jitter: true,
        }
    }

    fn device_ns(&self, host_ns: i64) -> i64 {
        host_ns + (host_ns as f64 * self.ppm * 1e-6) as i64 + self.offset_ns
    }

    /// One way: the base, a little noise, and on 20 % of the packets 3 ms more on average.
    fn way_ns(&mut self) -> i64 {
        let mut way = BASE_NS + (self.random.next() * 40_000.0) as i64;
        if self.jitter && self.random.next() < 0.2 {
            way += (-3e6 * (1.0 - self.random.next()).ln()) as i64;
        }
        way
    }

    fn ping(&mut self, now: i64) -> ClockSample {
        let arrives = now + self.way_ns() + self.there_ns;
        ClockSample {
            sent_ns: now,
            device_ns: self.device_ns(arrives),
            received_ns: arrives + self.way_ns() + self.back_ns,
        }
    }
}

/// Runs the schedule for some time and tells the worst error and whether it ever exceeded the published uncertainty.
struct Run {
    clock: DeviceClock,
    now: i64,
    worst_ns: i64,
    is_honest: bool,
    outcomes: Vec<BurstOutcome>,
}

impl Run {
    fn new() -> Self {
        Self {
            clock: DeviceClock::default(),
            now: 0,
            worst_ns: 0,
            is_honest: true,
            outcomes: Vec::new(),
        }
    }

    fn until(&mut self, phone: &mut Phone, end: i64) {
        let mut schedule = PingSchedule::new(self.now);
        let mut burst = Vec::new();
        while self.now < end {
            let sample = phone.ping(self.now);
            self.now = sample.received_ns;
            burst.push(sample);
            let random = (phone.random.next() * f64::from(u32::MAX)) as u32;
            let (due, is_done) = schedule.next(self.now, random);
            if is_done {
                self.outcomes.push(self.clock.push_burst(&burst));
                burst.clear();
            }
            // Every 10 ms up to the next ping the map is used.
            for at in (self.now..due).step_by(10_000_000) {
                self.judge(phone, at);
            }
            self.now = due;
        }
    }

    fn judge(&mut self, phone: &Phone, at: i64) {
        let Some(map) = self.clock.map() else { return };
        let error = (map.host_of_device(phone.device_ns(at)) - at).abs();
        self.worst_ns = self.worst_ns.max(error);
        self.is_honest &= error as f64 <= map.uncertainty_ns(at);
    }

    fn forget(&mut self) {
        (self.worst_ns, self.is_honest) = (0, true);
        self.outcomes.clear();
    }
}

#[test]
fn drift_up_to_200_ppm_under_jitter_stays_below_half_a_millisecond() {
    for seed in 0..40 {
        for ppm in [-200.0, -35.0, 0.0, 80.0, 200.0] {
            let (mut run, mut phone) = (Run::new(), Phone::new(seed, ppm));
            run.until(&mut phone, 90 * S);
            let told = run.clock.map().unwrap().rate * 1e6;
            assert!(
                run.worst_ns < 500 * US,
                "{ppm} ppm, seed {seed}: {} ns",
                run.worst_ns
            );
            assert!(run.is_honest, "{ppm} ppm, seed {seed}");
            assert!((told - ppm).abs() < 5.0, "{ppm} ppm read as {told}");
            let follows = |outcome: &BurstOutcome| *outcome == BurstOutcome::Followed;
            assert!(run.outcomes.iter().all(follows), "{ppm} ppm, seed {seed}");
        }
    }
}

#[test]
fn asymmetry_costs_half_of_itself_and_lies_inside_the_stated_uncertainty() {
    for seed in 0..20 {
        for (there_ms, back_ms) in [(0, 2), (4, 0), (0, 10), (15, 3)] {
            let mut phone = Phone::new(seed, 60.0);
            (phone.there_ns, phone.back_ns) = (there_ms * 1000 * US, back_ms * 1000 * US);
            let mut run = Run::new();
            run.until(&mut phone, 60 * S);
            let asymmetry_ns = (there_ms - back_ms).abs() * 1000 * US;
            assert!(
                run.worst_ns <= asymmetry_ns / 2 + 500 * US,
                "{} ns",
                run.worst_ns
            );
            assert!(
                run.is_honest,
                "{there_ms} ms there, {back_ms} ms back, seed {seed}"
            );
        }
    }
}

#[test]
fn a_map_is_good_for_half_a_minute_without_pings() {
    for seed in 0..20 {
        let (mut run, mut phone) = (Run::new(), Phone::new(seed, -120.0));
        run.until(&mut phone, 70 * S);
        run.forget();
        for second in 71..100 {
            run.judge(&phone, second * S);
        }
        assert!(
            run.is_honest && run.worst_ns < 500 * US,
            "{} ns",
            run.worst_ns
        );
    }
}

#[test]
fn a_settled_clock_errs_by_a_tenth_of_a_millisecond_and_by_one_after_a_minute_without_answers() {
    let (mut settled_ns, mut alone_ns) = (0, 0);
    for seed in 0..40 {
        let (mut run, mut phone) = (Run::new(), Phone::new(seed, 80.0));
        run.until(&mut phone, 30 * S);
        run.forget();
        run.until(&mut phone, 90 * S);
        settled_ns = settled_ns.max(run.worst_ns);
        run.forget();
        run.judge(&phone, run.now + 60 * S);
        alone_ns = alone_ns.max(run.worst_ns);
    }
    assert!(settled_ns <= 100 * US, "{settled_ns} ns");
    assert!(alone_ns <= 1000 * US, "{alone_ns} ns");
}

#[test]
fn a_step_begins_a_new_epoch_after_three_bursts() {
    for step in [5 * S, 20_000 * US, 3600 * S] {
        let (mut run, mut phone) = (Run::new(), Phone::new(3, 80.0));
        run.until(&mut phone, 30 * S);
        assert_eq!(run.clock.map().unwrap().epoch, 0);
        run.forget();
        phone.offset_ns += step;
        run.until(&mut phone, 35 * S);
        assert_eq!(run.clock.map().unwrap().epoch, 1, "step {step}");
        let missed = |o: &&BurstOutcome| **o == BurstOutcome::Missed;
        assert_eq!(run.outcomes.iter().take(2).filter(missed).count(), 2);
        assert_eq!(run.outcomes[2], BurstOutcome::Stepped);
        run.forget();
        run.until(&mut phone, 60 * S);
        assert!(run.worst_ns < 500 * US, "{} ns", run.worst_ns);
    }
}

#[test]
fn one_late_burst_moves_nothing() {
    let (mut run, mut phone) = (Run::new(), Phone::new(5, 0.0));
    run.until(&mut phone, 30 * S);
    let before = run.clock.map().unwrap();
    let late = ClockSample {
        sent_ns: run.now,
        device_ns: phone.device_ns(run.now + 400_000 * US),
        received_ns: run.now + 400_500 * US,
    };
    run.clock.push_burst(&[late; 8]);
    let after = run.clock.map().unwrap();
    let moved = after.host_of_device(late.device_ns) - before.host_of_device(late.device_ns);
    assert!(moved.abs() < 100 * US, "{moved} ns");
}

#[test]
fn a_published_map_moves_by_half_a_millisecond_per_second_at_most() {
    let (mut run, mut phone) = (Run::new(), Phone::new(8, 0.0));
    run.until(&mut phone, 30 * S);
    // Below the limit of a step, above what may be moved at once.
    phone.offset_ns += 3_000 * US;
    let mut last = (run.now, run.clock.map().unwrap());
    while run.now < 40 * S {
        let next = run.now + S;
        run.until(&mut phone, next);
        let map = run.clock.map().unwrap();
        let probe = phone.device_ns(map.host_ns);
        let moved = map.host_of_device(probe) - last.1.host_of_device(probe);
        let allowed = (map.host_ns - last.1.host_ns) / 2000 + 30 * US;
        assert!(moved.abs() <= allowed, "{moved} ns of {allowed}");
        assert_eq!(map.epoch, 0);
        last = (run.now, map);
    }
}

#[test]
fn a_clock_that_runs_backwards_is_a_restart() {
    let (mut run, mut phone) = (Run::new(), Phone::new(1, 0.0));
    run.until(&mut phone, 20 * S);
    phone.offset_ns = 5 * S - run.now;
    let sample = phone.ping(run.now);
    assert_eq!(run.clock.push_burst(&[sample]), BurstOutcome::Restarted);
    assert_eq!(run.clock.map(), None);
    let next = phone.ping(run.now + S);
    run.clock.push_burst(&[next]);
    assert_eq!(run.clock.map().map(|map| map.epoch), Some(1));
}

#[test]
fn samples_that_cannot_be_are_counted_and_refused() {
    let mut clock = DeviceClock::default();
    let backwards = ClockSample {
        sent_ns: 10,
        device_ns: 0,
        received_ns: 9,
    };
    assert_eq!(clock.push_burst(&[backwards; 3]), BurstOutcome::Missed);
    assert_eq!(clock.refused(), 3);
    let extreme = ClockSample {
        sent_ns: i64::MIN / 4,
        device_ns: i64::MAX,
        received_ns: i64::MAX / 4,
    };
    clock.push_burst(&[extreme]);
    clock.push_burst(&[extreme]);
    if let Some(map) = clock.map() {
        assert!(map.uncertainty_ns(i64::MAX).is_finite());
        let _ = map.host_of_device(i64::MIN);
    }
}
