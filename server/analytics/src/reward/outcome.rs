//! The reward and the posterior gate.

use lsie_schemas::contract::{Au12Observation, RewardInputs, SemanticReason};

use crate::attribution::{Lift, lift};
use crate::statistics::{clamp01, mean, percentile};
use crate::window::Window;

/// How delivery of the stimulus was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    is_open: bool,
    is_available: bool,
}

impl Gate {
    /// From the scorer: open iff `is_match`; unavailable when the reason says that nothing was judged.
    pub fn scored(reason: SemanticReason, is_match: bool) -> Self {
        let failed = matches!(
            reason,
            SemanticReason::SemanticError
                | SemanticReason::SemanticTimeout
                | SemanticReason::SemanticLocalFailureFallback
        );
        Self {
            is_open: is_match,
            is_available: !failed,
        }
    }

    /// From a person who watched: delivered or not.
    pub fn attested(delivered: bool) -> Self {
        Self {
            is_open: delivered,
            is_available: true,
        }
    }

    /// Nobody judged: closed, and no update follows.
    pub fn unavailable() -> Self {
        Self {
            is_open: false,
            is_available: false,
        }
    }

    /// 1 when delivery was seen, else 0.
    pub fn as_bit(self) -> u8 {
        u8::from(self.is_open)
    }
}

/// Why a posterior was left alone. Missing evidence never punishes an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The engine was away during the encounter.
    DataGap,
    /// Delivery could not be judged.
    SemanticUnavailable,
    /// No usable face frame in the measurement window.
    NoFrames,
    /// There was no stimulus, so there is no reward at all.
    NoStimulus,
    /// The session ran on the default arm, which has no posterior (math 7.2).
    NoPosterior,
}

impl SkipReason {
    /// Stable code for records.
    pub fn code(self) -> &'static str {
        match self {
            Self::DataGap => "data_gap",
            Self::SemanticUnavailable => "semantic_unavailable",
            Self::NoFrames => "no_frames",
            Self::NoStimulus => "no_stimulus",
            Self::NoPosterior => "no_posterior",
        }
    }
}

/// What happens to the posterior of the arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// Add this reward in [0, 1] (math 7.1).
    Apply(f64),
    /// Leave it, and say why.
    Skip(SkipReason),
}

/// What is known about one encounter.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// AU12 observations in arrival order, any range of time around the stimulus.
    pub series: &'a [Au12Observation],
    /// Stimulus time in epoch seconds of corrected time.
    pub stimulus_time_secs: Option<f64>,
    /// Judgement of delivery.
    pub gate: Gate,
    /// Whether media was lost inside the encounter.
    pub has_data_gap: bool,
}

/// The reward of an encounter with everything it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardOutcome {
    /// `P90 * gate` in [0, 1].
    pub gated_reward: f64,
    /// 90th percentile of AU12 in the measurement window, 0.0 without frames.
    pub p90: f64,
    /// 0 or 1.
    pub semantic_gate: u8,
    /// Usable frames in the measurement window.
    pub n_frames: u32,
    /// Mean AU12 in the baseline window, `None` without frames there.
    pub baseline: Option<f64>,
    /// Stimulus time in epoch seconds.
    pub stimulus_time_secs: f64,
    /// Lift over the baseline: a shadow reward, shown and stored, never applied (math 17 B17).
    pub shadow: Lift,
    /// What happens to the posterior.
    pub update: Update,
}

impl RewardOutcome {
    /// The contract form (contracts 5.6).
    pub fn to_inputs(&self) -> RewardInputs {
        RewardInputs {
            gated_reward: self.gated_reward,
            p90_intensity: self.p90,
            semantic_gate: self.semantic_gate,
            n_frames_in_window: self.n_frames.into(),
            au12_baseline_pre: self.baseline,
            stimulus_time: Some(self.stimulus_time_secs),
        }
    }

    /// Whether the posterior moves.
    pub fn is_applied(&self) -> bool {
        matches!(self.update, Update::Apply(_))
    }
}

/// 90th percentile of values clamped to [0, 1]; 0.0 for an empty set, values that are not finite are dropped.
pub fn p90(values: &[f64]) -> f64 {
    let usable: Vec<f64> = values
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .map(clamp01)
        .collect();
    percentile(&usable, 90.0).unwrap_or(0.0)
}

/// Computes the reward of an encounter (math 6.1 to 6.4).
///
/// `None` when there is no finite stimulus time: then there is neither reward nor update.
pub fn evaluate(evidence: &Evidence<'_>) -> Option<RewardOutcome> {
    let stimulus_time_secs = evidence.stimulus_time_secs.filter(|t| t.is_finite())?;
    let values = |window: Window| -> Vec<f64> {
        window
            .select(evidence.series, stimulus_time_secs)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    };
    let measured = values(Window::Measure);
    let p90 = percentile(&measured, 90.0).unwrap_or(0.0);
    let gated_reward = clamp01(p90 * f64::from(evidence.gate.as_bit()));
    let update = if evidence.has_data_gap {
        Update::Skip(SkipReason::DataGap)
    } else if !evidence.gate.is_available {
        Update::Skip(SkipReason::SemanticUnavailable)
    } else if measured.is_empty() {
        Update::Skip(SkipReason::NoFrames)
    } else {
        Update::Apply(gated_reward)
    };
    Some(RewardOutcome {
        gated_reward,
        p90,
        semantic_gate: evidence.gate.as_bit(),
        n_frames: u32::try_from(measured.len()).unwrap_or(u32::MAX),
        baseline: mean(&values(Window::Baseline)),
        stimulus_time_secs,
        shadow: lift(evidence.series, Some(stimulus_time_secs)),
        update,
    })
}

/// The update of an encounter that may lack a reward object.
pub fn update_of(outcome: Option<&RewardOutcome>) -> Update {
    outcome.map_or(Update::Skip(SkipReason::NoStimulus), |o| o.update)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: f64 = 1_767_225_600.0;

    fn series(values: &[(f64, f64)]) -> Vec<Au12Observation> {
        values
            .iter()
            .map(|&(offset, intensity)| Au12Observation {
                timestamp_s: T + offset,
                intensity,
            })
            .collect()
    }

    fn with(series: &[Au12Observation], gate: Gate) -> Evidence<'_> {
        Evidence {
            series,
            stimulus_time_secs: Some(T),
            gate,
            has_data_gap: false,
        }
    }

    #[test]
    fn closed_gate_gives_zero_but_is_an_update() {
        let s = series(&[(1.0, 0.37)]);
        let o = evaluate(&with(
            &s,
            Gate::scored(SemanticReason::CrossEncoderHighNonmatch, false),
        ))
        .unwrap();
        assert_eq!((o.gated_reward, o.p90, o.semantic_gate), (0.0, 0.37, 0));
        assert_eq!(o.update, Update::Apply(0.0));
    }

    #[test]
    fn missing_evidence_skips_in_order_of_cause() {
        let mut e = with(&[], Gate::unavailable());
        assert_eq!(
            evaluate(&e).unwrap().update,
            Update::Skip(SkipReason::SemanticUnavailable)
        );
        e.gate = Gate::attested(true);
        assert_eq!(
            evaluate(&e).unwrap().update,
            Update::Skip(SkipReason::NoFrames)
        );
        e.has_data_gap = true;
        assert_eq!(
            evaluate(&e).unwrap().update,
            Update::Skip(SkipReason::DataGap)
        );
        e.stimulus_time_secs = None;
        assert_eq!(
            update_of(evaluate(&e).as_ref()),
            Update::Skip(SkipReason::NoStimulus)
        );
        e.stimulus_time_secs = Some(f64::NAN);
        assert!(evaluate(&e).is_none());
    }

    #[test]
    fn baseline_never_alters_the_reward() {
        let plain = series(&[(1.0, 0.6), (2.0, 0.8)]);
        let smiling = series(&[(-4.0, 0.9), (1.0, 0.6), (2.0, 0.8)]);
        let gate = Gate::attested(true);
        let (a, b) = (
            evaluate(&with(&plain, gate)).unwrap(),
            evaluate(&with(&smiling, gate)).unwrap(),
        );
        assert_eq!(a.update, b.update);
        assert_eq!((a.baseline, b.baseline), (None, Some(0.9)));
        assert_eq!(b.shadow.lift_p90, Some(0.0));
    }

    #[test]
    fn a_broken_frame_is_no_frame() {
        let s = series(&[(1.0, f64::NAN), (2.0, f64::INFINITY)]);
        let o = evaluate(&with(&s, Gate::attested(true))).unwrap();
        assert_eq!((o.n_frames, o.gated_reward), (0, 0.0));
        assert_eq!(o.update, Update::Skip(SkipReason::NoFrames));
    }

    #[test]
    fn codes_are_those_of_the_records() {
        assert_eq!(
            SkipReason::SemanticUnavailable.code(),
            "semantic_unavailable"
        );
        assert_eq!(SkipReason::NoFrames.code(), "no_frames");
        assert_eq!(SkipReason::DataGap.code(), "data_gap");
    }
}
