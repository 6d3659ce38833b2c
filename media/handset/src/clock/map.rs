//! From pings to a map (device 6.3).
//!
//! ```text
//! sample  theta = d - (t1 + t4)/2    per burst: the sample of least rtt
//! fit     theta = a + b (host - h0)  over 60 s, weights 1/(rtt/2)^2, twice, residuals above 4 robust sigma dropped between
//! map     host  = h0 + (d - h0 - a)/(1 + b)    moved by at most 0.5 ms per second; a step begins a new epoch
//! ```

use std::collections::VecDeque;

const WINDOW_NS: i64 = 60_000_000_000;
const CAPACITY: usize = 128;
const MAX_RATE: f64 = 500e-6;
const WARN_RATE: f64 = 100e-6;
/// The published map moves by at most this share of the time that passed.
const SLEW: f64 = 0.5e-3;
const STEP_FLOOR_NS: f64 = 5e6;
const STEP_BURSTS: u32 = 3;
/// Below this span jitter would decide the slope.
const MIN_SLOPE_SPAN_NS: f64 = 2e9;
/// Drift assumed while no slope is known.
const ASSUMED_RATE: f64 = 200e-6;
/// Bursts come once a second; a map without one for this long is held over.
const FRESH_NS: i64 = 3_000_000_000;
const DEGRADED_NS: f64 = 20e6;

/// One ping, nanoseconds: ours when it left, the phone's when it answered, ours when the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSample {
    /// Our clock at sending (t1).
    pub sent_ns: i64,
    /// Phone's monotonic clock (d).
    pub device_ns: i64,
    /// Our clock at receiving (t4).
    pub received_ns: i64,
}

impl ClockSample {
    /// Time under way; `None` when our own clock ran backwards.
    #[must_use]
    pub fn rtt_ns(&self) -> Option<i64> {
        let rtt = self.received_ns.checked_sub(self.sent_ns);
        rtt.filter(|rtt| *rtt >= 0)
    }

    fn host_ns(&self) -> i64 {
        self.sent_ns + self.received_ns.saturating_sub(self.sent_ns) / 2
    }

    fn theta_ns(&self) -> i64 {
        self.device_ns.saturating_sub(self.host_ns())
    }
}

/// What a burst changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurstOutcome {
    /// The map follows.
    Followed,
    /// Nothing usable; the map is held with growing uncertainty.
    Missed,
    /// The phone's clock stepped: a new epoch began.
    Stepped,
    /// The phone's clock ran backwards: it restarted, and the session ends with it.
    Restarted,
}

/// A published map. Comparable only within its epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockMap {
    /// Counts steps.
    pub epoch: u32,
    /// Our time at which the fit is centred (h0), nanoseconds.
    pub host_ns: i64,
    /// Phone minus us at `host_ns` (a), nanoseconds.
    pub offset_ns: i64,
    /// Rate of the phone's clock minus 1 (b), within 500 ppm.
    pub rate: f64,
    /// Error bound at `host_ns`: half the least rtt plus the 95th percentile of the residuals, nanoseconds.
    pub base_uncertainty_ns: f64,
}

impl ClockMap {
    /// Our time of a phone's monotonic time, nanoseconds.
    #[must_use]
    pub fn host_of_device(&self, device_ns: i64) -> i64 {
        let since = device_ns
            .saturating_sub(self.host_ns)
            .saturating_sub(self.offset_ns);
        let drift = since as f64 * (self.rate / (1.0 + self.rate));
        self.host_ns
            .saturating_add(since)
            .saturating_sub(drift.round() as i64)
    }

    /// Error bound at our time `now_ns`, nanoseconds; held over it grows by 1 ms and 20 ppm of its age.
    #[must_use]
    pub fn uncertainty_ns(&self, now_ns: i64) -> f64 {
        let age = now_ns.saturating_sub(self.host_ns).max(0) as f64;
        let held = if self.is_fresh(now_ns) {
            0.0
        } else {
            1e6 + 20e-6 * age
        };
        self.base_uncertainty_ns + held
    }

    /// Whether its newest burst is at most 3 s old.
    #[must_use]
    pub fn is_fresh(&self, now_ns: i64) -> bool {
        now_ns.saturating_sub(self.host_ns) <= FRESH_NS
    }

    /// Whether alignment has to be called degraded: error bound above 20 ms.
    #[must_use]
    pub fn is_degraded(&self, now_ns: i64) -> bool {
        self.uncertainty_ns(now_ns) > DEGRADED_NS
    }

    /// Whether the rate is beyond 100 ppm, which no healthy quartz shows.
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
pub struct DeviceClock {
    samples: VecDeque<ClockSample>,
    map: Option<ClockMap>,
    bursts_off: u32,
    last_device_ns: Option<i64>,
    epoch: u32,
    refused: u64,
}

impl DeviceClock {
    /// A clock whose first epoch has this number; a new session goes on counting.
    #[must_use]
    pub fn starting_at(epoch: u32) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    /// The newest map; `None` before the first usable burst.
    #[must_use]
    pub fn map(&self) -> Option<ClockMap> {
        self.map
    }

    /// Least round trip of the window, nanoseconds.
    #[must_use]
    pub fn least_rtt_ns(&self) -> Option<i64> {
        self.samples.iter().filter_map(ClockSample::rtt_ns).min()
    }

    /// Samples refused because our own clock ran backwards.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes a burst and publishes with its sample of least rtt.
    pub fn push_burst(&mut self, burst: &[ClockSample]) -> BurstOutcome {
        let usable = burst.iter().filter(|s| s.rtt_ns().is_some());
        self.refused += (burst.len() - usable.clone().count()) as u64;
        let Some(best) = usable.min_by_key(|s| s.rtt_ns()).copied() else {
            return BurstOutcome::Missed;
        };
        let last = self.last_device_ns.replace(best.device_ns);
        if last.is_some_and(|last| best.device_ns < last) {
            *self = Self {
                epoch: self.epoch.saturating_add(1),
                refused: self.refused,
                ..Self::default()
            };
            return BurstOutcome::Restarted;
        }
        let is_off = self.is_off(best);
        if is_off && self.bursts_off + 1 < STEP_BURSTS {
            self.bursts_off += 1;
            return BurstOutcome::Missed;
        }
        self.bursts_off = 0;
        if is_off {
            self.samples.clear();
            self.epoch = self.epoch.saturating_add(1);
        }
        self.keep(best);
        self.publish(best, is_off)
    }

    fn is_off(&self, sample: ClockSample) -> bool {
        let Some(map) = self.map else { return false };
        let host_ns = sample.host_ns();
        let half_rtt = sample.rtt_ns().unwrap_or(0) as f64 / 2.0;
        let limit = STEP_FLOOR_NS.max(4.0 * map.uncertainty_ns(host_ns)) + half_rtt;
        (sample.theta_ns() as f64 - map.theta_at(host_ns)).abs() > limit
    }

    fn keep(&mut self, sample: ClockSample) {
        self.samples.push_back(sample);
        let oldest = sample.host_ns().saturating_sub(WINDOW_NS);
        let is_old = |s: &ClockSample| s.host_ns() < oldest;
        while self.samples.len() > CAPACITY || self.samples.front().is_some_and(is_old) {
            self.samples.pop_front();
        }
    }

    fn publish(&mut self, newest: ClockSample, is_step: bool) -> BurstOutcome {
        let Some(mut fitted) = fit(&self.samples, newest) else {
            return BurstOutcome::Missed;
        };
        fitted.epoch = self.epoch;
        if let Some(last) = self.map.filter(|_| !is_step) {
            let moved = fitted.offset_ns as f64 - last.theta_at(fitted.host_ns);
            let allowed = SLEW * fitted.host_ns.saturating_sub(last.host_ns).max(0) as f64;
            let excess = moved - moved.clamp(-allowed, allowed);
            fitted.offset_ns -= excess.round() as i64;
            fitted.base_uncertainty_ns += excess.abs();
        }
        self.map = Some(fitted);
        if is_step {
            BurstOutcome::Stepped
        } else {
            BurstOutcome::Followed
        }
    }
}

/// A sample as a point: host and theta relative to the newest sample, and its weight.
#[derive(Debug, Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
    weight: f64,
}

/// The weighted line through the samples of small rtt.
fn fit(samples: &VecDeque<ClockSample>, newest: ClockSample) -> Option<ClockMap> {
    let least = samples.iter().filter_map(ClockSample::rtt_ns).min()?;
    let limit = least as f64 * 1.5 + 0.1e6;
    let (host_ns, theta_ns) = (newest.host_ns(), newest.theta_ns());
    let point = |sample: &ClockSample| {
        let rtt = sample.rtt_ns()? as f64;
        let point = Point {
            x: sample.host_ns().saturating_sub(host_ns) as f64,
            y: sample.theta_ns().saturating_sub(theta_ns) as f64,
            weight: 1.0 / (rtt / 2.0).max(1e3).powi(2),
        };
        (rtt <= limit).then_some(point)
    };
    let mut points: Vec<Point> = samples.iter().filter_map(point).collect();
    let first = Line::through(&points);
    let sigma = 1.4826 * quantile(points.iter().map(|p| first.residual(p)), 0.5);
    points.retain(|p| first.residual(p) <= (4.0 * sigma).max(1e3));
    let line = Line::through(&points);
    if !line.offset.is_finite() || line.rate.abs() > MAX_RATE {
        return None;
    }
    let p95 = quantile(points.iter().map(|p| line.residual(p)), 0.95);
    // Without a slope the line stands at the mean of a moving clock.
    let blind = if line.has_slope {
        0.0
    } else {
        ASSUMED_RATE * (line.span + 1e9)
    };
    Some(ClockMap {
        epoch: 0,
        host_ns,
        offset_ns: theta_ns.saturating_add(line.offset.round() as i64),
        rate: line.rate,
        base_uncertainty_ns: least as f64 / 2.0 + p95 + blind,
    })
}

#[derive(Debug, Clone, Copy)]
struct Line {
    offset: f64,
    rate: f64,
    span: f64,
    has_slope: bool,
}

impl Line {
    fn through(points: &[Point]) -> Self {
        let total: f64 = points.iter().map(|p| p.weight).sum();
        let mean_x = points.iter().map(|p| p.x * p.weight).sum::<f64>() / total;
        let mean_y = points.iter().map(|p| p.y * p.weight).sum::<f64>() / total;
        let span = points.iter().map(|p| -p.x).fold(0.0, f64::max);
        let sxx: f64 = points
            .iter()
            .map(|p| p.weight * (p.x - mean_x).powi(2))
            .sum();
        let sxy: f64 = points
            .iter()
            .map(|p| p.weight * (p.x - mean_x) * (p.y - mean_y))
            .sum();
        let has_slope = span >= MIN_SLOPE_SPAN_NS && sxx > 0.0;
        let rate = if has_slope { sxy / sxx } else { 0.0 };
        Self {
            offset: mean_y - rate * mean_x,
            rate,
            span,
            has_slope,
        }
    }

    fn residual(&self, point: &Point) -> f64 {
        (point.y - self.offset - self.rate * point.x).abs()
    }
}

fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or(0.0)
}
