//! Lift of AU12 over its own baseline and the ungated soft reward (math 13.4 and 13.5).

use lsie_schemas::contract::Au12Observation;

use crate::statistics::{clamp01, mean, percentile};
use crate::window::Window;

/// What the stimulus moved, all over the windows of math 5.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lift {
    /// Mean before the stimulus; 0.0 if unseen, `None` only when nothing was measured after it either.
    pub baseline: Option<f64>,
    /// 90th percentile above the baseline, not below 0.
    pub lift_p90: Option<f64>,
    /// Largest value above the baseline, not below 0.
    pub lift_peak: Option<f64>,
    /// Milliseconds from stimulus to the first largest value in arrival order.
    pub peak_latency_ms: Option<f64>,
}

/// Computes the lifts; everything is `None` without a finite stimulus time.
pub fn lift(series: &[Au12Observation], stimulus_time_secs: Option<f64>) -> Lift {
    let Some(t) = stimulus_time_secs.filter(|t| t.is_finite()) else {
        return Lift::default();
    };
    let before: Vec<f64> = Window::Baseline
        .select(series, t)
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    let measured = Window::Measure.select(series, t);
    let seen_before = mean(&before);
    let mut peak: Option<(f64, f64)> = None;
    for &(time, value) in &measured {
        if peak.is_none_or(|(_, largest)| value > largest) {
            peak = Some((time, value));
        }
    }
    let Some((peak_time, peak_value)) = peak else {
        return Lift {
            baseline: seen_before,
            ..Lift::default()
        };
    };
    let base = seen_before.unwrap_or(0.0);
    let values: Vec<f64> = measured.into_iter().map(|(_, value)| value).collect();
    Lift {
        baseline: Some(base),
        lift_p90: percentile(&values, 90.0).map(|p90| (p90 - base).max(0.0)),
        lift_peak: Some((peak_value - base).max(0.0)),
        peak_latency_ms: Some(1000.0 * (peak_time - t)),
    }
}

/// `clamp(p_match) * clamp(proxy)`; `None` if either is missing or not finite.
pub fn soft_reward(p_match: Option<f64>, proxy: Option<f64>) -> Option<f64> {
    let usable = |v: Option<f64>| v.filter(|v| v.is_finite()).map(clamp01);
    Some(clamp01(usable(p_match)? * usable(proxy)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(f64, f64)]) -> Vec<Au12Observation> {
        values
            .iter()
            .map(|&(timestamp_s, intensity)| Au12Observation {
                timestamp_s,
                intensity,
            })
            .collect()
    }

    #[test]
    fn a_baseline_alone_is_still_reported() {
        let out = lift(&series(&[(-3.0, 0.2)]), Some(0.0));
        assert_eq!(
            (out.baseline, out.lift_p90, out.peak_latency_ms),
            (Some(0.2), None, None)
        );
    }

    #[test]
    fn the_first_largest_value_in_arrival_order_dates_the_peak() {
        let out = lift(&series(&[(4.0, 0.9), (1.0, 0.9)]), Some(0.0));
        assert_eq!(out.peak_latency_ms, Some(4000.0));
    }

    #[test]
    fn no_stimulus_no_lift() {
        let s = series(&[(1.0, 0.5)]);
        for t in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(lift(&s, t), Lift::default());
        }
    }

    #[test]
    fn soft_reward_needs_both_factors() {
        assert_eq!(soft_reward(Some(0.5), Some(-1.0)), Some(0.0));
        assert_eq!(soft_reward(Some(2.0), Some(0.5)), Some(0.5));
        for (p, proxy) in [
            (None, Some(0.5)),
            (Some(0.5), None),
            (Some(f64::NAN), Some(0.5)),
            (Some(0.5), Some(f64::INFINITY)),
        ] {
            assert_eq!(soft_reward(p, proxy), None);
        }
    }
}
