//! Jitter and shimmer, both local, on a stretch of pulses (math 10.4, 10.5).

use std::f64::consts::PI;

use super::RATE_HZ;

const SHORTEST_SECS: f64 = 0.0001;
const LONGEST_SECS: f64 = 0.02;
const LARGEST_PERIOD_RATIO: f64 = 1.3;
const LARGEST_AMPLITUDE_RATIO: f64 = 1.6;

/// Pulses of a segment seen through a time window [start, end], both ends included.
#[derive(Debug, Clone, Copy)]
pub struct PulseWindow<'a> {
    times_s: &'a [f64],
    start_s: f64,
    end_s: f64,
    first: usize,
    end: usize,
}

impl<'a> PulseWindow<'a> {
    /// The window over ascending pulse times, seconds.
    #[must_use]
    pub fn new(times_s: &'a [f64], start_s: f64, end_s: f64) -> Self {
        let first = times_s.partition_point(|t| *t < start_s);
        let end = times_s.partition_point(|t| *t <= end_s).max(first);
        Self {
            times_s,
            start_s,
            end_s,
            first,
            end,
        }
    }

    /// Pulses in the window.
    #[must_use]
    pub fn pulses_inside(&self) -> usize {
        self.end - self.first
    }

    /// 1-based number of the last pulse at or before the start; 0 when there is none.
    #[must_use]
    pub fn low_index(&self) -> usize {
        self.times_s.partition_point(|t| *t <= self.start_s)
    }

    /// 1-based number of the first pulse at or after the end; one past the last when there is none.
    #[must_use]
    pub fn high_index(&self) -> usize {
        self.times_s.partition_point(|t| *t < self.end_s) + 1
    }

    /// The older system's count: from the low to the high index, which is the count inside plus 2 (rule B10).
    #[must_use]
    pub fn seed_peak_count(&self) -> usize {
        (self.high_index() + 1).saturating_sub(self.low_index())
    }

    /// Times of the pulses in the window, seconds.
    #[must_use]
    pub fn pulses(&self) -> &'a [f64] {
        self.times_s.get(self.first..self.end).unwrap_or_default()
    }

    /// Interior pulses with their periods before and after, when both are plausible and alike.
    fn steady(&self) -> impl Iterator<Item = (f64, f64, f64)> + 'a {
        self.pulses().windows(3).filter_map(|w| {
            let &[before, here, after] = w else {
                return None;
            };
            let (p1, p2) = (here - before, after - here);
            (in_range(p1) && in_range(p2) && ratio(p1, p2) <= LARGEST_PERIOD_RATIO)
                .then_some((here, p1, p2))
        })
    }
}

/// Mean of the plausible periods of the window, seconds (math 10.4).
#[must_use]
pub fn mean_period_secs(window: &PulseWindow<'_>) -> Option<f64> {
    let times = window.times_s;
    let gap = |k: usize| Some(times.get(k + 1)? - times.get(k)?);
    let mut sum = 0.0;
    let mut count = 0_usize;
    for k in window.first..window.end.saturating_sub(1) {
        let Some(here) = gap(k).filter(|d| in_range(*d)) else {
            continue;
        };
        let before = k
            .checked_sub(1)
            .and_then(gap)
            .map(|d| ratio(d, here) > LARGEST_PERIOD_RATIO);
        let after = gap(k + 1).map(|d| ratio(d, here) > LARGEST_PERIOD_RATIO);
        let is_outlier = match (before, after) {
            (Some(a), Some(b)) => a && b,
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => false,
        };
        if !is_outlier {
            sum += here;
            count += 1;
        }
    }
    (count > 0).then(|| sum / count as f64)
}

/// Jitter (local): mean difference of neighbouring periods over the mean period (math 10.4).
#[must_use]
pub fn jitter_local(window: &PulseWindow<'_>) -> Option<f64> {
    let periods = window.pulses_inside().checked_sub(1).filter(|m| *m >= 2)?;
    let (mut sum, mut steady) = (0.0, 0_usize);
    for (_, p1, p2) in window.steady() {
        sum += (p1 - p2).abs();
        steady += 1;
    }
    let left = periods - (periods - 1 - steady);
    if left < 2 {
        return None;
    }
    Some(sum / (left - 1) as f64 / mean_period_secs(window)?)
}

/// Shimmer (local): mean difference of neighbouring amplitudes over the mean amplitude (math 10.5). `samples` are those
/// the pulses were found in.
#[must_use]
pub fn shimmer_local(window: &PulseWindow<'_>, samples: &[f64]) -> Option<f64> {
    if window.pulses_inside() < 3 {
        return None;
    }
    let amplitudes: Vec<(f64, f64)> = window
        .steady()
        .filter_map(|(at, p1, p2)| Some((at, amplitude(samples, at, 0.2 * p1, 0.2 * p2)?)))
        .collect();
    let (mut sum, mut count) = (0.0, 0_usize);
    for pair in amplitudes.windows(2) {
        let &[(t1, a), (t2, b)] = pair else { continue };
        if in_range(t2 - t1) && ratio(a, b) <= LARGEST_AMPLITUDE_RATIO {
            sum += (a - b).abs();
            count += 1;
        }
    }
    let (_, but_last) = amplitudes.split_last()?;
    let mean = but_last.iter().map(|(_, a)| a).sum::<f64>() / but_last.len() as f64;
    (count > 0 && mean > 0.0).then(|| sum / count as f64 / mean)
}

/// Root mean square around a pulse under a raised cosine of its own width on each side; needs three samples.
fn amplitude(samples: &[f64], at_s: f64, before_s: f64, after_s: f64) -> Option<f64> {
    let dx = 1.0 / RATE_HZ;
    let first = ((at_s - before_s) / dx - 0.5).ceil().max(0.0) as usize;
    let last = ((at_s + after_s) / dx - 0.5).floor().max(0.0) as usize;
    let stretch = samples.get(first..=last.min(samples.len().checked_sub(1)?))?;
    if stretch.len() < 3 {
        return None;
    }
    let (mut energy, mut weight) = (0.0, 0.0);
    for (k, x) in stretch.iter().enumerate() {
        let t = ((first + k) as f64 + 0.5) * dx - at_s;
        let w = 0.5 + 0.5 * (PI * t / if t < 0.0 { before_s } else { after_s }).cos();
        energy += (x * w).powi(2);
        weight += w * w;
    }
    let amplitude = (energy / weight).sqrt();
    (amplitude > 0.0).then_some(amplitude)
}

fn in_range(period_s: f64) -> bool {
    (SHORTEST_SECS..=LONGEST_SECS).contains(&period_s)
}

fn ratio(a: f64, b: f64) -> f64 {
    (a / b).max(b / a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulses(periods: &[f64]) -> Vec<f64> {
        std::iter::once(0.0)
            .chain(periods.iter().scan(0.0, |t, p| {
                *t += p;
                Some(*t)
            }))
            .collect()
    }

    #[test]
    fn alternating_periods_give_their_relative_difference() {
        let times = pulses(&[0.0095, 0.0105].repeat(10));
        let window = PulseWindow::new(&times, 0.0, 1.0);
        assert!((jitter_local(&window).unwrap() - 0.1).abs() < 1e-9);
        assert!((mean_period_secs(&window).unwrap() - 0.01).abs() < 1e-12);
    }

    #[test]
    fn counts_follow_the_older_system() {
        let times = pulses(&[0.01; 9]);
        let window = PulseWindow::new(&times, 0.025, 0.065);
        assert_eq!(
            (
                window.low_index(),
                window.high_index(),
                window.pulses_inside(),
                window.seed_peak_count()
            ),
            (3, 8, 4, 6)
        );
        let outside = PulseWindow::new(&times, -1.0, 1.0);
        assert_eq!(
            (
                outside.low_index(),
                outside.high_index(),
                outside.seed_peak_count()
            ),
            (0, 11, 12)
        );
    }

    #[test]
    fn too_little_is_none() {
        for periods in [
            &[][..],
            &[0.01],
            &[0.01, 0.02],
            &[0.5, 0.5, 0.5],
            &[1e-6, 1e-6, 1e-6],
        ] {
            let times = pulses(periods);
            let window = PulseWindow::new(&times, 0.0, 10.0);
            assert_eq!(jitter_local(&window), None, "{periods:?}");
            assert_eq!(shimmer_local(&window, &[0.0; 100]), None, "{periods:?}");
        }
        assert_eq!(
            PulseWindow::new(&pulses(&[0.01; 5]), 5.0, f64::NAN).pulses_inside(),
            0
        );
    }
}
