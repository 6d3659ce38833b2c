//! Bodies of every contract: the check by name and the typed form always agree.

use lsie_schemas::contract::{self, Contract, parse_json};
use serde_json::Value;

/// Checks one payload against one contract by name and by type.
type Check = fn(&Value);

macro_rules! checks {
    ($($kind:ident)+) => { &[$((stringify!($kind), agrees::<contract::$kind> as Check)),+] };
}

/// Every contract with its check, in the order of [`contract::KINDS`].
const CHECKS: &[(&str, Check)] = checks![
    StimulusPayload
    StimulusDefinition
    ArmPosterior
    BanditDecisionSnapshot
    MediaSource
    Au12Observation
    InferenceHandoff
    ResponseInference
    PhysiologicalSnapshot
    PhysiologicalContext
    PhysiologicalChunkPayload
    PhysiologicalChunkEvent
    AudioBlockRef
    InferenceControl
    PcmAck
    LiveSessionControl
    VisualAnalyticsState
    DriftUpdate
    CaptureStatus
    Heartbeat
    SemanticResult
    AnalyticsSemantic
    RewardInputs
    AcousticMetrics
    AttributionInputs
    AnalyticsResult
    AttributionEvent
    OutcomeEvent
    EventOutcomeLink
    AttributionScore
    PosteriorDelta
    TelemetrySegmentBatch
    TelemetryPosteriorDeltaBatch
    IngestResponse
    BundleArm
    BundleExperiment
    ExperimentBundle
    CloudSessionCreate
    CloudSessionCreated
    CloudSessionEnd
    CloudSessionEnded
    PendingUpload
    OAuthAuthorization
    OAuthToken
    OAuthTokenResponse
    SessionCreate
    SessionEnd
    StimulusRequest
    ExperimentArmCreate
    ExperimentCreate
    ExperimentArmPatch
    CoModulationSummary
];

/// Names of the contracts whose typed form is checked here.
#[must_use]
pub fn typed_contracts() -> Vec<&'static str> {
    CHECKS.iter().map(|(name, _)| *name).collect()
}

/// Any bytes against every contract.
pub fn contracts(data: &[u8]) {
    let payload = match parse_json(data) {
        Ok(payload) => payload,
        Err(defects) => {
            assert_eq!(defects.len(), 1);
            return;
        }
    };
    assert!(contract::validate("NoSuchContract", &payload).is_err());
    for (_, check) in CHECKS {
        check(&payload);
    }
}

/// Both ways give the same defects; a normalised payload is its own normal form and survives the typed form.
fn agrees<T: Contract>(payload: &Value) {
    let name = T::OBJECT.name;
    let judged = contract::validate(name, payload);
    match T::from_json(payload) {
        Err(defects) => {
            assert!(!defects.is_empty(), "{name}");
            assert_eq!(judged, Err(defects), "{name}");
        }
        Ok(typed) => {
            assert_eq!(judged, Ok(()), "{name}");
            let normal = T::OBJECT.normalise(payload).unwrap_or_default();
            assert_eq!(T::OBJECT.normalise(&normal).as_ref(), Ok(&normal), "{name}");
            let written = serde_json::to_value(&typed).unwrap_or_default();
            let again = T::deserialize(&written).map(|again| serde_json::to_value(&again).ok());
            assert_eq!(again.ok().flatten(), Some(written), "{name}");
        }
    }
}
