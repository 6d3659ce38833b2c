//! The neutral baseline and what is computed against it (math 4.4 to 4.6).

use lsie_kernels::au12::{ALPHA, score};
use lsie_schemas::observation::{CALIBRATION_FRAMES_REQUIRED, CalibrationState, NullReason};

/// Calibration takes at most one frame in this stretch of media time: 1/15 s.
pub const CALIBRATION_PERIOD_NS: i64 = 66_666_667;

/// How much too early a frame may come, so that a camera's jitter at 15 fps loses none and 20 fps gives its three of four.
const EARLY_NS: i64 = 20_000_000;
/// A step back of media time beyond this is a new source, not a late frame.
const RESTART_NS: i64 = 1_000_000_000;

/// After a refused spread this share of the samples, the oldest, is dropped: one third.
const DROPPED_SHARE: usize = 3;
/// Interquartile range to standard deviation, for a normal distribution. Unlike a median deviation it also sees two equally
/// frequent values.
const RANGE_TO_DEVIATION: f64 = 1.0 / 1.349;

/// How the baseline is made of the calibration frames.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CalibrationRule {
    /// Their mean, whatever they are (math 4.4).
    #[default]
    Mean,
    /// Their median, and only when they agree: while their interquartile range over 1.349 exceeds `max_spread`, the oldest
    /// third is dropped and calibration goes on, so that smiling through it does not lift the baseline (math 17, B4).
    Median {
        /// Largest spread that counts as neutral, in ratios.
        max_spread: f64,
    },
}

impl CalibrationRule {
    /// The median with a spread that moves a score by at most about 0.18.
    pub const MEDIAN: Self = Self::Median { max_spread: 0.03 };
}

/// Gathers the neutral baseline from the first frames with a ratio and scores the later ones.
///
/// On average it accepts one frame per [`CALIBRATION_PERIOD_NS`] of media time, whatever the frame rate, until it has the 45
/// that it needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibrator {
    state: CalibrationState,
    due_ns: Option<i64>,
    rule: CalibrationRule,
    /// The ratios so far, for a median; at most 45.
    samples: Vec<f64>,
    refusals: u32,
}

impl Calibrator {
    /// Goes on from a state that an earlier run of the engine reached.
    pub fn from_state(state: CalibrationState) -> Self {
        let is_sound = state.ratio_sum.is_finite() && state.ratio_sum >= 0.0;
        Calibrator {
            state: if is_sound {
                state
            } else {
                CalibrationState::default()
            },
            ..Calibrator::default()
        }
    }

    /// Starts with a rule of its own.
    pub fn with_rule(rule: CalibrationRule) -> Self {
        Calibrator {
            rule,
            ..Calibrator::default()
        }
    }

    /// One with the same rule that has reached nothing.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::with_rule(self.rule)
    }

    /// Replaces what was reached and keeps the rule. A median cannot go on from half a calibration and begins anew.
    pub fn restore(&mut self, state: CalibrationState) {
        let rule = self.rule;
        *self = Self::from_state(state);
        self.rule = rule;
        if rule != CalibrationRule::Mean && !self.state.is_complete() {
            self.state = CalibrationState::default();
        }
    }

    /// How often a full set of calibration frames was refused for its spread.
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// What has to be kept to go on later.
    pub fn state(&self) -> CalibrationState {
        self.state
    }

    /// Takes a frame's ratio into the baseline where one is due and more are needed. Says whether it did: such a frame
    /// has no score.
    pub fn offer(&mut self, pts_ns: i64, ratio: f64) -> bool {
        if self.state.is_complete() || !self.is_due(pts_ns) {
            return false;
        }
        let accepted = self.accept(ratio);
        if accepted {
            // A late frame may move the next one earlier by as much as a frame may be early, so that a rate that is no
            // multiple of 15 fps averages out and a gap is not made up for.
            let due_ns = self
                .due_ns
                .unwrap_or(pts_ns)
                .max(pts_ns.saturating_sub(EARLY_NS));
            let is_restart = pts_ns.saturating_add(RESTART_NS) < due_ns;
            let base_ns = if is_restart { pts_ns } else { due_ns };
            self.due_ns = Some(base_ns.saturating_add(CALIBRATION_PERIOD_NS));
        }
        accepted
    }

    /// Takes a ratio into the baseline, whatever the time and the count: further calibration frames move it. Refuses a ratio
    /// that is not finite.
    pub fn accept(&mut self, ratio: f64) -> bool {
        if !ratio.is_finite() {
            return false;
        }
        self.state.accepted = self.state.accepted.saturating_add(1);
        self.state.ratio_sum += ratio;
        if let CalibrationRule::Median { max_spread } = self.rule {
            self.accept_for_median(ratio, max_spread);
        }
        true
    }

    /// The state says `sum / count`, so a median is kept as a sum of equal ratios.
    fn accept_for_median(&mut self, ratio: f64, max_spread: f64) {
        let needed = CALIBRATION_FRAMES_REQUIRED as usize;
        if self.samples.len() >= needed {
            self.samples.remove(0);
        }
        self.samples.push(ratio);
        if self.samples.len() == needed {
            let mut sorted = self.samples.clone();
            let middle = median(&mut sorted);
            let at = |rank: usize| sorted.get(rank).copied().unwrap_or(f64::NAN);
            let range = at(needed * 3 / 4) - at(needed / 4);
            if RANGE_TO_DEVIATION * range <= max_spread {
                self.state.ratio_sum = middle * f64::from(self.state.accepted);
                return;
            }
            self.refusals = self.refusals.saturating_add(1);
            self.samples.drain(..needed / DROPPED_SHARE);
            self.state.accepted = self.samples.len() as u32;
        }
        self.state.ratio_sum = self.samples.iter().sum();
    }

    /// The bounded score of a ratio, once calibration is complete (math 4.5).
    pub fn score(&self, ratio: f64) -> Result<f64, NullReason> {
        if !ratio.is_finite() {
            return Err(NullReason::NonFinite);
        }
        let baseline = self.state.baseline().filter(|_| self.state.is_complete());
        let baseline = baseline.ok_or(NullReason::NotCalibrated)?;
        score(ratio, baseline, ALPHA).map_err(|_| NullReason::NonFinite)
    }

    fn is_due(&self, pts_ns: i64) -> bool {
        let Some(due_ns) = self.due_ns else {
            return true;
        };
        pts_ns >= due_ns.saturating_sub(EARLY_NS) || pts_ns.saturating_add(RESTART_NS) < due_ns
    }
}

/// The median; NaN of nothing. Reorders `values`.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => at(count / 2),
        count => f64::midpoint(at(count / 2 - 1), at(count / 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(pts_ns: impl Iterator<Item = i64>) -> u32 {
        let mut calibrator = Calibrator::default();
        for pts_ns in pts_ns {
            calibrator.offer(pts_ns, 0.9);
        }
        calibrator.state().accepted
    }

    #[test]
    fn every_frame_rate_gives_at_most_fifteen_a_second() {
        for (fps, wanted) in [
            (5, 10),
            (10, 20),
            (15, 30),
            (20, 30),
            (24, 30),
            (25, 30),
            (30, 30),
            (60, 30),
            (120, 30),
        ] {
            let two_secs = (0..2 * fps).map(|k| k * 1_000_000_000 / fps);
            let got = accepted(two_secs);
            assert!((wanted..=wanted + 1).contains(&got), "{fps} fps gave {got}");
        }
    }

    #[test]
    fn jitter_at_fifteen_frames_a_second_loses_none() {
        let jittered =
            (0..30_i64).map(|k| k * 66_666_667 + if k % 2 == 0 { 8_000_000 } else { -8_000_000 });
        assert_eq!(accepted(jittered), 30);
    }

    #[test]
    fn a_gap_is_not_made_up_for_by_a_burst() {
        let after_gap = [
            0,
            5_000_000_000,
            5_010_000_000,
            5_020_000_000,
            5_060_000_000,
        ];
        assert_eq!(accepted(after_gap.into_iter()), 3);
    }

    #[test]
    fn a_repeated_frame_counts_once_and_a_restart_goes_on() {
        assert_eq!(accepted([0, 0, 0, -5, 3].into_iter()), 1);
        assert_eq!(
            accepted([60_000_000_000, 0, 66_666_667, 70_000_000].into_iter()),
            3
        );
        assert_eq!(accepted([i64::MAX, i64::MIN, i64::MAX].into_iter()), 3);
    }

    #[test]
    fn it_stops_at_forty_five_and_scores_from_then_on() {
        let mut calibrator = Calibrator::default();
        for k in 0..44 {
            assert!(calibrator.offer(k * CALIBRATION_PERIOD_NS, 0.9));
            assert_eq!(calibrator.score(1.0), Err(NullReason::NotCalibrated));
        }
        assert!(calibrator.offer(44 * CALIBRATION_PERIOD_NS, 0.9));
        assert!(!calibrator.offer(45 * CALIBRATION_PERIOD_NS, 5.0));
        let smile = calibrator.score(1.05).unwrap();
        assert!((smile - 0.9_f64.tanh()).abs() < 1e-9, "{smile}");
        assert_eq!(calibrator.score(0.1), Ok(0.0));
        assert_eq!(calibrator.score(f64::NAN), Err(NullReason::NonFinite));
    }

    #[test]
    fn a_bad_ratio_never_reaches_the_baseline() {
        let mut calibrator = Calibrator::default();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!calibrator.offer(0, bad));
        }
        assert!(calibrator.offer(0, 0.5), "and takes no frame's place");
        assert_eq!(
            calibrator.state(),
            CalibrationState {
                accepted: 1,
                ratio_sum: 0.5
            }
        );
    }

    #[test]
    fn it_survives_a_restart_and_refuses_a_broken_state() {
        let mut first = Calibrator::default();
        for k in 0..30 {
            first.offer(k * CALIBRATION_PERIOD_NS, 0.8 + k as f64 * 0.001);
        }
        let mut second = Calibrator::from_state(first.state());
        for k in 0..15 {
            second.offer(k * CALIBRATION_PERIOD_NS, 0.9);
        }
        assert!(second.state().is_complete());
        assert!(second.score(1.0).is_ok());

        let broken = CalibrationState {
            accepted: 45,
            ratio_sum: f64::NAN,
        };
        assert_eq!(
            Calibrator::from_state(broken).state(),
            CalibrationState::default()
        );
    }

    #[test]
    fn a_median_passes_over_outliers_and_a_mean_does_not() {
        let run = |rule| {
            let mut calibrator = Calibrator::with_rule(rule);
            for k in 0..45 {
                let ratio = if k % 9 == 0 { 1.2 } else { 0.9 };
                assert!(calibrator.offer(k * CALIBRATION_PERIOD_NS, ratio));
            }
            calibrator.state().baseline().unwrap()
        };
        assert!((run(CalibrationRule::MEDIAN) - 0.9).abs() < 1e-12);
        assert!((run(CalibrationRule::Mean) - 0.9333).abs() < 1e-3);
    }

    #[test]
    fn smiling_through_the_calibration_prolongs_it() {
        let mut calibrator = Calibrator::with_rule(CalibrationRule::MEDIAN);
        let mut frame = 0;
        while !calibrator.state().is_complete() {
            // Half of the first three seconds a wide smile, neutral after them.
            let ratio = if frame < 45 && frame % 2 == 0 {
                1.1
            } else {
                0.9
            };
            calibrator.offer(frame * CALIBRATION_PERIOD_NS, ratio);
            frame += 1;
            assert!(frame < 200);
        }
        assert!(calibrator.refusals() >= 1 && frame > 45, "{frame}");
        assert!((calibrator.state().baseline().unwrap() - 0.9).abs() < 1e-9);
        calibrator.restore(CalibrationState {
            accepted: 20,
            ratio_sum: 18.0,
        });
        assert_eq!(calibrator.state(), CalibrationState::default());
    }
}
