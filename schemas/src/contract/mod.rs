//! Payloads that cross a boundary: typed, closed and validated with every defect reported (contracts 2, 4 to 8).
//!
//! Each type is declared once, with its wire names and checks beside its fields; [`Contract::from_json`] is the way
//! in for anything that was not written by this process. Serialising goes through serde as usual.

mod check;
mod cloud;
pub(crate) mod declare;
mod defect;
mod handoff;
mod ledger;
mod message;
mod oauth;
mod operator;
mod physiology;
mod result;
mod stimulus;
mod vocabulary;
mod walk;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use check::{Check, Field, Object, Presence};
pub use cloud::*;
pub use defect::{ErrorCode, FieldError, Report};
pub use handoff::*;
pub use ledger::*;
pub use message::*;
pub use oauth::*;
pub use operator::*;
pub use physiology::*;
pub use result::*;
pub use stimulus::*;
use vocabulary::{COUNT, INT, TEXT};
pub use vocabulary::{
    CoModulationNullReason, DerivationMethod, Finality, MediaCodec, RegistrationStatus,
    ResponseReason, SemanticMethod, SemanticReason, SourceKind, StimulusModality, SubjectRole,
    VisualStatus,
};

/// A payload type with its checks.
pub trait Contract: Serialize + DeserializeOwned {
    /// Keys with their checks.
    const FIELDS: &'static [Field];
    /// The whole contract.
    const OBJECT: &'static Object;

    /// Validates and converts. On failure every defect is returned, sorted by path.
    fn from_json(payload: &Value) -> Result<Self, Vec<FieldError>> {
        let normalised = Self::OBJECT.normalise(payload)?;
        Self::deserialize(&normalised).map_err(|_| vec![not_representable()])
    }

    /// Parses bytes, validates and converts. Bytes that are not JSON, NaN and overflowing numbers included,
    /// are the single defect `bad_json`.
    fn from_json_slice(bytes: &[u8]) -> Result<Self, Vec<FieldError>> {
        Self::from_json(&parse_json(bytes)?)
    }
}

/// Contracts that can be validated by name, each once.
pub const KINDS: &[&Object] = &[
    StimulusPayload::OBJECT,
    StimulusDefinition::OBJECT,
    ArmPosterior::OBJECT,
    BanditDecisionSnapshot::OBJECT,
    MediaSource::OBJECT,
    Au12Observation::OBJECT,
    InferenceHandoff::OBJECT,
    ResponseInference::OBJECT,
    PhysiologicalSnapshot::OBJECT,
    PhysiologicalContext::OBJECT,
    PhysiologicalChunkPayload::OBJECT,
    PhysiologicalChunkEvent::OBJECT,
    AudioBlockRef::OBJECT,
    InferenceControl::OBJECT,
    PcmAck::OBJECT,
    LiveSessionControl::OBJECT,
    VisualAnalyticsState::OBJECT,
    DriftUpdate::OBJECT,
    CaptureStatus::OBJECT,
    Heartbeat::OBJECT,
    SemanticResult::OBJECT,
    AnalyticsSemantic::OBJECT,
    RewardInputs::OBJECT,
    AcousticMetrics::OBJECT,
    AttributionInputs::OBJECT,
    AnalyticsResult::OBJECT,
    AttributionEvent::OBJECT,
    OutcomeEvent::OBJECT,
    EventOutcomeLink::OBJECT,
    AttributionScore::OBJECT,
    PosteriorDelta::OBJECT,
    TelemetrySegmentBatch::OBJECT,
    TelemetryPosteriorDeltaBatch::OBJECT,
    IngestResponse::OBJECT,
    BundleArm::OBJECT,
    BundleExperiment::OBJECT,
    ExperimentBundle::OBJECT,
    CloudSessionCreate::OBJECT,
    CloudSessionCreated::OBJECT,
    CloudSessionEnd::OBJECT,
    CloudSessionEnded::OBJECT,
    PendingUpload::OBJECT,
    OAuthAuthorization::OBJECT,
    OAuthToken::OBJECT,
    OAuthTokenResponse::OBJECT,
    SessionCreate::OBJECT,
    SessionEnd::OBJECT,
    StimulusRequest::OBJECT,
    ExperimentArmCreate::OBJECT,
    ExperimentCreate::OBJECT,
    ExperimentArmPatch::OBJECT,
    CoModulationSummary::OBJECT,
];

/// Finds a contract by name.
#[must_use]
pub fn find(kind: &str) -> Option<&'static Object> {
    KINDS.iter().copied().find(|object| object.name == kind)
}

/// Validates a payload against the contract of that name. An unknown name is the single defect `bad_enum`.
pub fn validate(kind: &str, payload: &Value) -> Result<(), Vec<FieldError>> {
    let unknown = || {
        vec![FieldError {
            path: String::new(),
            code: ErrorCode::BadEnum,
            message: "unknown contract".into(),
        }]
    };
    find(kind)
        .ok_or_else(unknown)?
        .normalise(payload)
        .map(|_| ())
}

/// Parses JSON bytes; the defect carries no content.
pub fn parse_json(bytes: &[u8]) -> Result<Value, Vec<FieldError>> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!(
            "not JSON at line {} column {}",
            error.line(),
            error.column()
        );
        vec![FieldError {
            path: String::new(),
            code: ErrorCode::BadJson,
            message: message.into(),
        }]
    })
}

fn not_representable() -> FieldError {
    FieldError {
        path: String::new(),
        code: ErrorCode::BadType,
        message: "not representable".into(),
    }
}
