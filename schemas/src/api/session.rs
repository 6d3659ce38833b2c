//! Sessions, stimuli and attestations: what is asked and what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::UtcMicros;

/// State of a session row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SessionStatus {
    /// Open.
    #[serde(rename = "active")]
    Active,
    /// Closed.
    #[serde(rename = "ended")]
    Ended,
    /// Open beside another open one.
    #[serde(rename = "active conflict")]
    ActiveConflict,
}

/// A session as the operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Identity.
    pub session_id: Uuid,
    /// Open or closed.
    pub status: SessionStatus,
    /// Start.
    pub started_at_utc: UtcMicros,
    /// End, null while open.
    pub ended_at_utc: Option<UtcMicros>,
    /// Seconds from start to end, or to now while open.
    pub duration_s: Option<f64>,
    /// Experiment code.
    pub experiment_id: Option<String>,
    /// Arm in force.
    pub active_arm: Option<String>,
    /// Expected response rule of that arm.
    pub expected_response_text: Option<String>,
    /// Whether the neutral baseline is still being measured.
    pub is_calibrating: Option<bool>,
    /// Accepted calibration frames.
    pub calibration_frames_accumulated: Option<u32>,
    /// Needed calibration frames.
    pub calibration_frames_required: Option<u32>,
    /// End of the newest committed segment.
    pub last_segment_completed_at_utc: Option<UtcMicros>,
    /// Reward of the newest encounter.
    pub latest_reward: Option<f64>,
    /// Semantic gate of the newest encounter, 0 or 1.
    pub latest_semantic_gate: Option<u8>,
}

/// Body that starts a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCreate {
    /// Source address with a scheme, e.g. `demo:presenter`.
    pub stream_url: String,
    /// Experiment code.
    pub experiment_id: String,
    /// Fresh UUID per action; a repeat gets the first answer.
    pub client_action_id: Uuid,
    /// v2: UTC of media time zero, for replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_utc: Option<UtcMicros>,
    /// v2: stimuli known in advance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned_stimuli: Vec<PlannedStimulusRequest>,
}

/// v2: a stimulus known before the session runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStimulusRequest {
    /// Seconds of media time.
    pub offset_s: f64,
    /// Whether the operator attests its delivery.
    #[serde(default)]
    pub attested: bool,
}

/// Body that ends a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEnd {
    /// Fresh UUID per action.
    pub client_action_id: Uuid,
}

/// Answer to start and end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LifecycleAccepted {
    /// `start` or `end`.
    pub action: String,
    /// Session.
    pub session_id: Uuid,
    /// The action answered.
    pub client_action_id: Uuid,
    /// Whether the intent was taken.
    pub accepted: bool,
    /// When.
    pub received_at_utc: UtcMicros,
    /// Remark.
    pub message: Option<String>,
}

/// Body that gives a stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StimulusRequest {
    /// Remark of the operator, at most 500 characters.
    #[serde(default)]
    pub operator_note: Option<String>,
    /// Fresh UUID per action; a repeat gets the first answer.
    pub client_action_id: Uuid,
}

/// Answer to a stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StimulusAccepted {
    /// Session.
    pub session_id: Uuid,
    /// The action answered.
    pub client_action_id: Uuid,
    /// Whether it was taken.
    pub accepted: bool,
    /// When.
    pub received_at_utc: UtcMicros,
    /// Time on the session clock, null until the media plane stamped it.
    pub stimulus_time_utc: Option<UtcMicros>,
    /// Remark.
    pub message: Option<String>,
}

/// v2: body that attests (or denies) the delivery of a stimulus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestRequest {
    /// The stimulus, by its client action; absent: the one waiting.
    #[serde(default)]
    pub stimulus_id: Option<Uuid>,
    /// Whether the streamer delivered it.
    pub delivered: bool,
    /// Fresh UUID per action.
    pub client_action_id: Uuid,
}

/// v2: answer to an attestation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttestAccepted {
    /// Session.
    pub session_id: Uuid,
    /// The stimulus attested.
    pub stimulus_id: Uuid,
    /// The action answered.
    pub client_action_id: Uuid,
    /// Whether it was taken.
    pub accepted: bool,
    /// When.
    pub received_at_utc: UtcMicros,
    /// Remark.
    pub message: Option<String>,
}
