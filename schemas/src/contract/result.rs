//! What the judges made of a segment (contracts 5.5 to 5.9).

use serde_json::{Map, Value};
use uuid::Uuid;

use super::InferenceHandoff;
use super::check::Check;
use super::declare::contract;
use super::vocabulary::{
    COUNT, FINITE, NON_NEGATIVE, SemanticMethod, SemanticReason, TEXT, TEXT1, UNIT,
};

/// Version of [`AnalyticsResult`].
pub const ANALYTICS_RESULT_VERSION: &str = "ws5.p4.analytics_result.v1";

contract! {
    /// Outcome of a semantic decision.
    #[derive(Copy)]
    pub struct SemanticResult {
        /// Bounded reason.
        reasoning: SemanticReason => required(Check::Enum(SemanticReason::NAMES)),
        /// The transcript satisfies the rule.
        is_match: bool => required(Check::Bool),
        /// Confidence within 0 and 1.
        confidence_score: f64 => required(UNIT),
    }
}

contract! {
    /// Semantic decision with its scorer.
    pub struct AnalyticsSemantic {
        /// Bounded reason.
        reasoning: SemanticReason => required(Check::Enum(SemanticReason::NAMES)),
        /// The transcript satisfies the rule.
        is_match: bool => required(Check::Bool),
        /// Confidence within 0 and 1.
        confidence_score: f64 => required(UNIT),
        /// Scorer.
        semantic_method: SemanticMethod => required(Check::Enum(SemanticMethod::NAMES)),
        /// Version of the scorer.
        semantic_method_version: String => required(TEXT1),
    }
}

contract! {
    /// Reward numbers of a segment. Advisory: the writer of state recomputes them (math 6).
    #[derive(Copy)]
    pub struct RewardInputs {
        /// Gate times P90, within 0 and 1.
        gated_reward: f64 => required(UNIT),
        /// 90th percentile of the measurement window, within 0 and 1.
        p90_intensity: f64 => required(UNIT),
        /// 0 or 1.
        semantic_gate: u8 => required(Check::IntOf(&[0, 1])),
        /// Observations in the measurement window.
        n_frames_in_window: u64 => required(COUNT),
        /// Mean of the baseline window; null when empty.
        au12_baseline_pre: Option<f64> => optional(UNIT),
        /// Epoch seconds of the stimulus.
        stimulus_time: Option<f64> => optional(FINITE),
    }
}

contract! {
    /// Voice measures of a segment (math 10). Observational only; the default means nothing was measurable.
    #[derive(Copy, Default)]
    pub struct AcousticMetrics {
        /// F0 is usable in the measurement window.
        f0_valid_measure: bool => default(Check::Bool, false),
        /// F0 is usable in the baseline window.
        f0_valid_baseline: bool => default(Check::Bool, false),
        /// Jitter and shimmer are usable in the measurement window.
        perturbation_valid_measure: bool => default(Check::Bool, false),
        /// Jitter and shimmer are usable in the baseline window.
        perturbation_valid_baseline: bool => default(Check::Bool, false),
        /// Voiced time in the measurement window, seconds.
        voiced_coverage_measure_s: f64 => default(NON_NEGATIVE, 0.0),
        /// Voiced time in the baseline window, seconds.
        voiced_coverage_baseline_s: f64 => default(NON_NEGATIVE, 0.0),
        /// Mean F0 of the measurement window, Hz.
        f0_mean_measure_hz: Option<f64> => optional(NON_NEGATIVE),
        /// Mean F0 of the baseline window, Hz.
        f0_mean_baseline_hz: Option<f64> => optional(NON_NEGATIVE),
        /// Change of F0, semitones.
        f0_delta_semitones: Option<f64> => optional(FINITE),
        /// Jitter of the measurement window, a ratio.
        jitter_mean_measure: Option<f64> => optional(NON_NEGATIVE),
        /// Jitter of the baseline window, a ratio.
        jitter_mean_baseline: Option<f64> => optional(NON_NEGATIVE),
        /// Change of jitter.
        jitter_delta: Option<f64> => optional(FINITE),
        /// Shimmer of the measurement window, a ratio.
        shimmer_mean_measure: Option<f64> => optional(NON_NEGATIVE),
        /// Shimmer of the baseline window, a ratio.
        shimmer_mean_baseline: Option<f64> => optional(NON_NEGATIVE),
        /// Change of shimmer.
        shimmer_delta: Option<f64> => optional(FINITE),
    }
}

contract! {
    /// Outcomes known at the time of the result (math 13.2).
    #[derive(Default)]
    pub struct AttributionInputs {
        /// One outcome.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome_event as "_outcome_event": Option<Map<String, Value>> => optional(Check::Free),
        /// Several outcomes.
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome_events as "_outcome_events": Option<Vec<Map<String, Value>>> =>
            optional(Check::List(&Check::Free, 0, usize::MAX)),
        /// True is an outcome at the segment's time.
        #[serde(skip_serializing_if = "Option::is_none")]
        creator_follow as "_creator_follow": Option<bool> => optional(Check::Bool),
    }
}

contract! {
    /// Everything the writer of state needs about a judged segment. Null optionals are omitted.
    pub struct AnalyticsResult {
        /// Identity of the message (math 1.10).
        message_id: Uuid => required(Check::Uuid),
        /// Message version.
        schema_version: String => default(Check::Enum(&[ANALYTICS_RESULT_VERSION]), ANALYTICS_RESULT_VERSION),
        /// The segment.
        handoff: InferenceHandoff => required(Check::Object(InferenceHandoff::OBJECT)),
        /// Semantic decision.
        semantic: AnalyticsSemantic => required(Check::Object(AnalyticsSemantic::OBJECT)),
        /// Transcript, tier T1: never uploaded.
        transcription: String => default(TEXT, ""),
        /// Reward numbers.
        #[serde(skip_serializing_if = "Option::is_none")]
        reward: Option<RewardInputs> => optional(Check::Object(RewardInputs::OBJECT)),
        /// Voice measures.
        #[serde(skip_serializing_if = "Option::is_none")]
        acoustic: Option<AcousticMetrics> => optional(Check::Object(AcousticMetrics::OBJECT)),
        /// Known outcomes.
        #[serde(skip_serializing_if = "Option::is_none")]
        attribution: Option<AttributionInputs> => optional(Check::Object(AttributionInputs::OBJECT)),
    }
}
