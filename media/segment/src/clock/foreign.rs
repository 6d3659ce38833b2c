//! A foreign monotonic clock (phone, publisher, wearable) mapped to ours by regression over least-round-trip samples.
//!
//! ```text
//! theta = device - (sent + received) / 2        per burst: the sample of least round trip
//! host  = h0 + (device - h0 - a) / (1 + b)      a = offset at h0, b = rate, weighted least squares over 60 s
//! ```

use std::collections::VecDeque;

const WINDOW_NS: i64 = 60_000_000_000;
const CAPACITY: usize = 128;
const MAX_RATE: f64 = 500e-6;
const WARN_RATE: f64 = 100e-6;
const SLEW: f64 = 0.5e-3;
const STEP_FLOOR_NS: f64 = 5e6;
const STEP_BURSTS: u32 = 3;

/// One ping: sent and answered on our monotonic clock, read on the device's, all in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingSample {
    /// Our clock when the request left.
    pub sent_ns: i64,
    /// The device's clock when it answered.
    pub device_ns: i64,
    /// Our clock when the answer arrived.
    pub received_ns: i64,
}

impl PingSample {
    /// Time the ping was under way; `None` when our own clock went backwards.
    #[must_use]
    pub fn round_trip_ns(&self) -> Option<i64> {
        self.received_ns
            .checked_sub(self.sent_ns)
            .filter(|rtt| *rtt >= 0)
    }

    fn host_ns(&self) -> i64 {
        self.sent_ns + (self.received_ns - self.sent_ns) / 2
    }

    fn theta_ns(&self) -> i64 {
        self.device_ns.saturating_sub(self.host_ns())
    }
}

/// What a burst changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignEvent {
    /// The map follows smoothly.
    Followed,
    /// The burst held no usable sample; the map holds with growing uncertainty.
    Missed,
    /// The device clock stepped: a new epoch of the map began.
    Stepped,
    /// The device clock ran backwards: the device restarted and the session with it ends.
    Restarted,
}

/// A published map. Valid from its epoch until the next event that changes the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockMap {
    /// Counts steps of the device clock.
    pub epoch: u32,
    /// Our time the fit is centred on, nanoseconds.
    pub host_ns: i64,
    /// Device minus host at `host_ns`, nanoseconds.
    pub offset_ns: i64,
    /// Rate of the device clock minus 1; at most 500 ppm.
    pub rate: f64,
    /// Error bound at `host_ns`: half the least round trip plus the 95th percentile of the residuals, nanoseconds.
    pub base_uncertainty_ns: f64,
}

impl ClockMap {
    /// Our time of a device time, nanoseconds.
    #[must_use]
    pub fn host_of_device(&self, device_ns: i64) -> i64 {
        let since = device_ns
            .saturating_sub(self.host_ns)
            .saturating_sub(self.offset_ns);
        let correction = (since as f64) * (self.rate / (1.0 + self.rate));
        self.host_ns
            .saturating_add(since)
            .saturating_sub(correction.round() as i64)
    }

    /// Error bound at our time `now_ns`: grows by 1 ms plus 20 ppm of age once the fit is older than 3 s.
    #[must_use]
    pub fn uncertainty_ns(&self, now_ns: i64) -> f64 {
        let age = now_ns.saturating_sub(self.host_ns).max(0) as f64;
        let holdover = if age > 3e9 { 1e6 + 20e-6 * age } else { 0.0 };
        self.base_uncertainty_ns + holdover
    }

    /// Whether alignment with other clocks has to be called degraded: error bound above 20 ms.
    #[must_use]
    pub fn is_degraded(&self, now_ns: i64) -> bool {
        self.uncertainty_ns(now_ns) > 20e6
    }

    /// Whether the rate differs from ours by more than 100 ppm.
    #[must_use]
    pub fn has_suspect_rate(&self) -> bool {
        self.rate.abs() > WARN_RATE
    }

    fn theta_at(&self, host_ns: i64) -> f64 {
        self.offset_ns as f64 + self.rate * host_ns.saturating_sub(self.host_ns) as f64
    }
}

/// Collects bursts and publishes a [`ClockMap`].
#[derive(Debug, Clone, Default)]
pub struct ForeignClock {
    samples: VecDeque<PingSample>,
    map: Option<ClockMap>,
    bursts_off: u32,
    last_device_ns: Option<i64>,
    refused: u64,
}

impl ForeignClock {
    /// The newest map; `None` before the first usable burst.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        self.map
    }

    /// Samples refused because a stamp ran backwards or overflowed.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes one burst of pings and updates the map with its sample of least round trip.
    pub fn push_burst(&mut self, burst: &[PingSample]) -> ForeignEvent {
        let usable = burst.iter().filter(|s| s.round_trip_ns().is_some());
        self.refused += (burst.len() - usable.clone().count()) as u64;
        let Some(best) = usable.min_by_key(|s| s.round_trip_ns()).copied() else {
            return ForeignEvent::Missed;
        };
        if self
            .last_device_ns
            .is_some_and(|last| best.device_ns < last)
        {
            *self = Self {
                refused: self.refused,
                ..Self::default()
            };
            return ForeignEvent::Restarted;
        }
        self.last_device_ns = Some(best.device_ns);
        if self.is_off(best) {
            self.bursts_off += 1;
            if self.bursts_off < STEP_BURSTS {
                return ForeignEvent::Missed;
            }
            self.samples.clear();
            self.bursts_off = 0;
            self.keep(best);
            return self.publish(best, true);
        }
        self.bursts_off = 0;
        self.keep(best);
        self.publish(best, false)
    }

    fn is_off(&self, sample: PingSample) -> bool {
        let Some(map) = self.map else { return false };
        let rtt = sample.round_trip_ns().unwrap_or(0) as f64;
        let limit = STEP_FLOOR_NS.max(4.0 * map.uncertainty_ns(sample.host_ns())) + rtt / 2.0;
        (sample.theta_ns() as f64 - map.theta_at(sample.host_ns())).abs() > limit
    }

    fn keep(&mut self, sample: PingSample) {
        self.samples.push_back(sample);
        let oldest = sample.host_ns().saturating_sub(WINDOW_NS);
        while self.samples.len() > CAPACITY
            || self.samples.front().is_some_and(|s| s.host_ns() < oldest)
        {
            self.samples.pop_front();
        }
    }

    fn publish(&mut self, newest: PingSample, is_step: bool) -> ForeignEvent {
        let Some(mut fitted) = fit(&self.samples, newest) else {
            return ForeignEvent::Missed;
        };
        if let Some(last) = self.map {
            fitted.epoch = last.epoch + u32::from(is_step);
            if !is_step {
                let moved = fitted.offset_ns as f64 - last.theta_at(fitted.host_ns);
                let allowed = SLEW * fitted.host_ns.saturating_sub(last.host_ns).max(0) as f64;
                let excess = moved - moved.clamp(-allowed, allowed);
                fitted.offset_ns -= excess.round() as i64;
                fitted.base_uncertainty_ns += excess.abs();
            }
        }
        self.map = Some(fitted);
        if is_step {
            ForeignEvent::Stepped
        } else {
            ForeignEvent::Followed
        }
    }
}

/// Weighted line through the samples of small round trip, twice, outliers beyond 4 robust sigma dropped in between.
fn fit(samples: &VecDeque<PingSample>, newest: PingSample) -> Option<ClockMap> {
    let least = samples.iter().filter_map(PingSample::round_trip_ns).min()?;
    let limit = least as f64 * 1.5 + 0.1e6;
    let (host0, theta0) = (newest.host_ns(), newest.theta_ns());
    let mut points: Vec<[f64; 3]> = samples
        .iter()
        .filter_map(|s| {
            let rtt = s.round_trip_ns()? as f64;
            let weight = 1.0 / (rtt / 2.0).max(1e3).powi(2);
            let theta = s.theta_ns().saturating_sub(theta0) as f64;
            (rtt <= limit).then_some([(s.host_ns() - host0) as f64, theta, weight])
        })
        .collect();
    let first = line(&points);
    let mut spread: Vec<f64> = points.iter().map(|p| residual(p, first).abs()).collect();
    let sigma = 1.4826 * quantile(&mut spread, 0.5);
    points.retain(|p| residual(p, first).abs() <= (4.0 * sigma).max(1e3));
    let (offset, rate) = line(&points);
    if !(offset.is_finite() && rate.abs() <= MAX_RATE) {
        return None;
    }
    let mut residuals: Vec<f64> = points
        .iter()
        .map(|p| residual(p, (offset, rate)).abs())
        .collect();
    Some(ClockMap {
        epoch: 0,
        host_ns: host0,
        offset_ns: theta0.saturating_add(offset.round() as i64),
        rate,
        base_uncertainty_ns: least as f64 / 2.0 + quantile(&mut residuals, 0.95),
    })
}

fn residual(point: &[f64; 3], (offset, rate): (f64, f64)) -> f64 {
    point[1] - offset - rate * point[0]
}

/// Offset at 0 and slope; the slope is 0 while the points span less than 2 s, where jitter would decide it.
fn line(points: &[[f64; 3]]) -> (f64, f64) {
    let total: f64 = points.iter().map(|p| p[2]).sum();
    let mean = |k: usize| points.iter().map(|p| p[k] * p[2]).sum::<f64>() / total;
    let (mx, my) = (mean(0), mean(1));
    let span = points.iter().map(|p| p[0]).fold(0.0, f64::min).abs();
    let sxx: f64 = points.iter().map(|p| p[2] * (p[0] - mx).powi(2)).sum();
    let sxy: f64 = points
        .iter()
        .map(|p| p[2] * (p[0] - mx) * (p[1] - my))
        .sum();
    let rate = if span < 2e9 || sxx <= 0.0 {
        0.0
    } else {
        sxy / sxx
    };
    (my - rate * mx, rate)
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let index = ((values.len().saturating_sub(1)) as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
}
