//! Stimulus-locked windows (math 5).
//!
//! ```text
//!   t-5        t-2            t   t+0.5              t+5
//!   |--baseline--|            ^     |------measure-----|      both ends inclusive
//! ```

use lsie_schemas::contract::Au12Observation;

use crate::statistics::clamp01;

/// Which window around the stimulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// [t-5.0, t-2.0] s: what the face did before.
    Baseline,
    /// [t+0.5, t+5.0] s: what it did in answer.
    Measure,
}

impl Window {
    /// Inclusive bounds in epoch seconds, formed as `t + offset` in f64 (math 1.2).
    pub fn bounds_secs(self, stimulus_time_secs: f64) -> (f64, f64) {
        match self {
            Self::Baseline => (stimulus_time_secs - 5.0, stimulus_time_secs - 2.0),
            Self::Measure => (stimulus_time_secs + 0.5, stimulus_time_secs + 5.0),
        }
    }

    /// Whether an epoch second lies in the window; NaN never does.
    pub fn contains(self, stimulus_time_secs: f64, time_secs: f64) -> bool {
        let (start, end) = self.bounds_secs(stimulus_time_secs);
        start <= time_secs && time_secs <= end
    }

    /// The usable observations of the window in arrival order: `(epoch seconds, intensity clamped to [0, 1])`.
    ///
    /// Observations whose time or value is not finite are dropped (math 6.1).
    pub fn select(self, series: &[Au12Observation], stimulus_time_secs: f64) -> Vec<(f64, f64)> {
        series
            .iter()
            .filter(|o| o.timestamp_s.is_finite() && o.intensity.is_finite())
            .filter(|o| self.contains(stimulus_time_secs, o.timestamp_s))
            .map(|o| (o.timestamp_s, clamp01(o.intensity)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_the_window() {
        let t = 1_767_225_600.0;
        for (window, first, last) in [
            (Window::Baseline, t - 5.0, t - 2.0),
            (Window::Measure, t + 0.5, t + 5.0),
        ] {
            assert!(window.contains(t, first) && window.contains(t, last));
            assert!(!window.contains(t, first - 1e-6) && !window.contains(t, last + 1e-6));
        }
    }

    #[test]
    fn broken_observations_are_dropped_and_values_clamped() {
        let at = |timestamp_s, intensity| Au12Observation {
            timestamp_s,
            intensity,
        };
        let series = [
            at(1.0, f64::NAN),
            at(f64::NAN, 0.9),
            at(2.0, 1.5),
            at(3.0, f64::INFINITY),
            at(1.5, -0.5),
        ];
        assert_eq!(
            Window::Measure.select(&series, 0.0),
            vec![(2.0, 1.0), (1.5, 0.0)]
        );
        assert!(Window::Measure.select(&series, f64::NAN).is_empty());
    }
}
