//! The state an encounter shows (math 6.5).
//!
//! ```text
//! awaiting_stimulus ─▶ stimulus_issued ─▶ measuring ─▶ completed | rejected_*
//! ```

use lsie_schemas::api::EncounterState;

use super::outcome::{RewardOutcome, SkipReason, Update};

/// How far an encounter without a reward has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing asked yet.
    Awaiting,
    /// The stimulus was accepted, its measurement window has not opened.
    Issued,
    /// The measurement window is open or being judged.
    Measuring,
}

impl Progress {
    /// Progress at `now_secs` given the stimulus time, both epoch seconds.
    pub fn at(stimulus_time_secs: Option<f64>, now_secs: f64) -> Self {
        match stimulus_time_secs {
            None => Self::Awaiting,
            Some(t) if now_secs < t + 0.5 => Self::Issued,
            Some(_) => Self::Measuring,
        }
    }
}

/// State under `/api/v1`: gate 0 is `rejected_gate_closed`, else no frames is `rejected_no_frames`.
pub fn encounter_state(progress: Progress, outcome: Option<&RewardOutcome>) -> EncounterState {
    match outcome {
        Some(o) if o.semantic_gate == 0 => EncounterState::RejectedGateClosed,
        Some(o) if o.n_frames == 0 => EncounterState::RejectedNoFrames,
        Some(_) => EncounterState::Completed,
        None => match progress {
            Progress::Awaiting => EncounterState::AwaitingStimulus,
            Progress::Issued => EncounterState::StimulusIssued,
            Progress::Measuring => EncounterState::Measuring,
        },
    }
}

/// State under `/api/v2`: also tells a closed gate from an unjudged one and names lost media.
pub fn encounter_state_v2(progress: Progress, outcome: Option<&RewardOutcome>) -> &'static str {
    match outcome.map(|o| o.update) {
        Some(Update::Skip(SkipReason::DataGap)) => return "rejected_data_gap",
        Some(Update::Skip(SkipReason::SemanticUnavailable)) => {
            return "rejected_semantic_unavailable";
        }
        _ => {}
    }
    match encounter_state(progress, outcome) {
        EncounterState::AwaitingStimulus => "awaiting_stimulus",
        EncounterState::StimulusIssued => "stimulus_issued",
        EncounterState::Measuring => "measuring",
        EncounterState::Completed => "completed",
        EncounterState::RejectedNoFrames => "rejected_no_frames",
        EncounterState::RejectedGateClosed => "rejected_gate_closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::{Evidence, Gate, evaluate};
    use lsie_schemas::contract::Au12Observation;

    fn outcome(gate: Gate, frames: bool, has_data_gap: bool) -> RewardOutcome {
        let frame = [Au12Observation {
            timestamp_s: 1.0,
            intensity: 0.5,
        }];
        let series = if frames { &frame[..] } else { &[] };
        evaluate(&Evidence {
            series,
            stimulus_time_secs: Some(0.0),
            gate,
            has_data_gap,
        })
        .unwrap()
    }

    #[test]
    fn before_the_verdict_the_clock_decides() {
        let state = |t, now| encounter_state(Progress::at(t, now), None);
        assert_eq!(state(None, 9.0), EncounterState::AwaitingStimulus);
        assert_eq!(state(Some(9.0), 9.2), EncounterState::StimulusIssued);
        assert_eq!(state(Some(9.0), 9.5), EncounterState::Measuring);
        assert_eq!(encounter_state_v2(Progress::Measuring, None), "measuring");
    }

    #[test]
    fn a_closed_gate_is_named_before_missing_frames() {
        let shown = |o: &RewardOutcome| encounter_state(Progress::Measuring, Some(o));
        assert_eq!(
            shown(&outcome(Gate::attested(true), true, false)),
            EncounterState::Completed
        );
        assert_eq!(
            shown(&outcome(Gate::attested(true), false, false)),
            EncounterState::RejectedNoFrames
        );
        assert_eq!(
            shown(&outcome(Gate::attested(false), false, false)),
            EncounterState::RejectedGateClosed
        );
    }

    #[test]
    fn version_two_names_what_was_never_judged() {
        let shown = |o: &RewardOutcome| encounter_state_v2(Progress::Measuring, Some(o));
        assert_eq!(
            shown(&outcome(Gate::unavailable(), true, false)),
            "rejected_semantic_unavailable"
        );
        assert_eq!(
            shown(&outcome(Gate::attested(true), true, true)),
            "rejected_data_gap"
        );
        assert_eq!(
            shown(&outcome(Gate::attested(true), true, false)),
            "completed"
        );
    }
}
