//! Encounters: one stimulus with its evidence and its verdict.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::UtcMicros;

/// State of an encounter (math 6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncounterState {
    /// Nothing asked yet.
    AwaitingStimulus,
    /// The stimulus was accepted.
    StimulusIssued,
    /// Its window is open.
    Measuring,
    /// Committed with an applied update.
    Completed,
    /// Committed without frames.
    RejectedNoFrames,
    /// Committed with a closed gate.
    RejectedGateClosed,
}

/// Acoustic set of an encounter; every member null when unknown.
pub type Acoustic = crate::contract::AcousticMetrics;

/// Delivery judgement of an encounter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Semantic {
    /// Bounded reason code.
    pub reasoning: String,
    /// Whether the stimulus was delivered.
    pub is_match: Option<bool>,
    /// Confidence in [0, 1].
    pub confidence_score: Option<f64>,
    /// Method code.
    pub semantic_method: String,
    /// Method version.
    pub semantic_method_version: Option<String>,
}

/// Attribution read-out of an encounter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Attribution {
    /// `online_provisional` or `offline_final`.
    pub finality: Option<String>,
    /// Ungated candidate reward in [0, 1].
    pub soft_reward_candidate: Option<f64>,
    /// Mean AU12 before the stimulus.
    pub au12_baseline_pre: Option<f64>,
    /// P90 over that mean.
    pub au12_lift_p90: Option<f64>,
    /// Peak over that mean.
    pub au12_lift_peak: Option<f64>,
    /// Milliseconds from stimulus to peak.
    pub au12_peak_latency_ms: Option<f64>,
    /// Best lagged correlation.
    pub sync_peak_corr: Option<f64>,
    /// Its lag in bins.
    pub sync_peak_lag: Option<u32>,
    /// Seconds from stimulus to the linked outcome.
    pub outcome_link_lag_s: Option<f64>,
}

/// An encounter as `/api/v1` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Encounter {
    /// Identity.
    pub encounter_id: String,
    /// Session.
    pub session_id: Uuid,
    /// End of its window.
    pub segment_timestamp_utc: UtcMicros,
    /// State.
    pub state: EncounterState,
    /// Arm shown.
    pub active_arm: Option<String>,
    /// Expected response rule.
    pub expected_response_text: Option<String>,
    /// Stimulus time.
    pub stimulus_time_utc: Option<UtcMicros>,
    /// Semantic gate, 0 or 1.
    pub semantic_gate: Option<u8>,
    /// Its confidence.
    pub semantic_confidence: Option<f64>,
    /// Transcript, when kept.
    pub observed_response_text: Option<String>,
    /// 90th percentile of AU12 in the measurement window.
    pub p90_intensity: Option<f64>,
    /// Reward.
    pub gated_reward: Option<f64>,
    /// Scored frames in the measurement window.
    pub n_frames_in_window: Option<u32>,
    /// Mean AU12 before the stimulus.
    pub au12_baseline_pre: Option<f64>,
    /// Acoustic set.
    pub observational_acoustic: Option<Acoustic>,
    /// Delivery judgement; null for attested encounters (v1 has no word for them).
    pub semantic_evaluation: Option<Semantic>,
    /// Attribution read-out.
    pub attribution: Option<Attribution>,
    /// Whether physiology was attached.
    pub physiology_attached: bool,
    /// Whether it was stale.
    pub physiology_stale: Option<bool>,
    /// Bounded remarks.
    pub notes: Vec<String>,
}

/// What v2 adds to an encounter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EncounterV2 {
    /// The v1 view.
    #[serde(flatten)]
    pub base: Encounter,
    /// State with our own words, e.g. `rejected_semantic_unavailable`, `rejected_data_gap`, `awaiting_attestation`.
    pub state_v2: String,
    /// Whether the posterior was updated.
    pub applied: bool,
    /// Why not, when not.
    pub skip_reason: Option<String>,
    /// How delivery was judged, e.g. `operator_attested`.
    pub semantic_method: Option<String>,
    /// Probability with which the arm had been chosen.
    pub propensity: Option<f64>,
    /// Segment identity.
    pub segment_id: Option<String>,
    /// Posterior after the update.
    pub posterior_after: Option<(f64, f64)>,
}

/// The newest encounter on the overview: an [`Encounter`] without its personal parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatestEncounter {
    /// Identity.
    pub encounter_id: String,
    /// Session.
    pub session_id: Uuid,
    /// End of its window.
    pub segment_timestamp_utc: UtcMicros,
    /// State.
    pub state: EncounterState,
    /// Arm shown.
    pub active_arm: Option<String>,
    /// Expected response rule.
    pub expected_response_text: Option<String>,
    /// Stimulus time.
    pub stimulus_time_utc: Option<UtcMicros>,
    /// Semantic gate, 0 or 1.
    pub semantic_gate: Option<u8>,
    /// 90th percentile of AU12.
    pub p90_intensity: Option<f64>,
    /// Reward.
    pub gated_reward: Option<f64>,
    /// Scored frames in the measurement window.
    pub n_frames_in_window: Option<u32>,
    /// Acoustic set.
    pub observational_acoustic: Option<Acoustic>,
    /// Delivery judgement.
    pub semantic_evaluation: Option<Semantic>,
    /// Attribution read-out.
    pub attribution: Option<Attribution>,
}

impl From<Encounter> for LatestEncounter {
    fn from(e: Encounter) -> Self {
        Self {
            encounter_id: e.encounter_id,
            session_id: e.session_id,
            segment_timestamp_utc: e.segment_timestamp_utc,
            state: e.state,
            active_arm: e.active_arm,
            expected_response_text: e.expected_response_text,
            stimulus_time_utc: e.stimulus_time_utc,
            semantic_gate: e.semantic_gate,
            p90_intensity: e.p90_intensity,
            gated_reward: e.gated_reward,
            n_frames_in_window: e.n_frames_in_window,
            observational_acoustic: e.observational_acoustic,
            semantic_evaluation: e.semantic_evaluation,
            attribution: e.attribution,
        }
    }
}
