//! The segment handoff: everything known about one window before it is judged (contracts 4.3 to 4.5).

use serde_json::{Map, Value};
use uuid::Uuid;

use super::check::Check;
use super::declare::contract;
use super::vocabulary::{
    COUNT32_1, FINITE, INT, MODALITY, MediaCodec, NON_NEGATIVE, RULE_TEXT, RegistrationStatus,
    ResponseReason, StimulusModality, TEXT, TEXT1, UNIT,
};
use super::{BanditDecisionSnapshot, PhysiologicalContext, Report, StimulusPayload};
use crate::id::SegmentId;
use crate::time::UtcMicros;
use crate::window::SEGMENT_SECS;

contract! {
    /// Where the media of a segment came from.
    #[derive(Eq, Hash)]
    pub struct MediaSource {
        /// Absolute URL.
        stream_url: String => required(Check::Url),
        /// Codec on the wire.
        codec: MediaCodec => required(Check::Enum(MediaCodec::NAMES)),
        /// Width and height, pixels.
        resolution: [u32; 2] => required(Check::List(&COUNT32_1, 2, 2)),
    }
}

contract! {
    /// One smile intensity on the session clock.
    #[derive(Copy)]
    pub struct Au12Observation {
        /// Epoch seconds, UTC.
        timestamp_s: f64 => required(FINITE),
        /// Intensity within 0 and 1.
        intensity: f64 => required(UNIT),
    }
}

contract! {
    /// Whether the person answered the stimulus. Null optionals are omitted.
    pub struct ResponseInference: rules = response_rules {
        /// True only with `observable_response`.
        is_match: bool => required(Check::Bool),
        /// Confidence within 0 and 1.
        confidence_score: f64 => required(UNIT),
        /// Whether a response was seen.
        registration_status: RegistrationStatus => required(Check::Enum(RegistrationStatus::NAMES)),
        /// Why.
        response_reason_code: ResponseReason => required(Check::Enum(ResponseReason::NAMES)),
        /// Kind of response.
        #[serde(skip_serializing_if = "Option::is_none")]
        response_type: Option<String> => optional(TEXT1),
        /// Epoch seconds of the response.
        #[serde(skip_serializing_if = "Option::is_none")]
        matched_response_time: Option<f64> => optional(NON_NEGATIVE),
        /// Pointer to the evidence, never its text.
        #[serde(skip_serializing_if = "Option::is_none")]
        evidence_span_ref: Option<String> => optional(TEXT1),
    }
}

contract! {
    /// One 30 s segment as handed to the judges. Underscore names are the wire names.
    pub struct InferenceHandoff: rules = handoff_rules {
        /// Session, UUID version 4.
        session_id: Uuid => required(Check::Uuid4),
        /// Identity of the window (math 3.5).
        segment_id: SegmentId => required(Check::Hash),
        /// First instant of the window.
        segment_window_start_utc: UtcMicros => required(Check::Instant),
        /// Last instant of the window, exactly 30 s later.
        segment_window_end_utc: UtcMicros => required(Check::Instant),
        /// Instant of the record, the window's end.
        timestamp_utc: UtcMicros => required(Check::Instant),
        /// Origin of the media.
        media_source: MediaSource => required(Check::Object(MediaSource::OBJECT)),
        /// Free objects; this program writes an empty list.
        segments: Vec<Map<String, Value>> => required(Check::List(&Check::Free, 0, usize::MAX)),
        /// Arm in force.
        active_arm as "_active_arm": String => required(TEXT),
        /// Row id of the experiment.
        experiment_id as "_experiment_id": i64 => required(INT),
        /// Kind of prompt.
        stimulus_modality as "_stimulus_modality": StimulusModality => required(MODALITY),
        /// Content of the stimulus.
        stimulus_payload as "_stimulus_payload": StimulusPayload => required(Check::Object(StimulusPayload::OBJECT)),
        /// Delivery rule.
        expected_stimulus_rule as "_expected_stimulus_rule": String => required(RULE_TEXT),
        /// Response rule.
        expected_response_rule as "_expected_response_rule": String => required(RULE_TEXT),
        /// Epoch seconds of the stimulus; null when none happened in this window.
        stimulus_time as "_stimulus_time": Option<f64> => nullable(FINITE),
        /// Smile intensities of the window; empty when no face was measured.
        au12_series as "_au12_series": Vec<Au12Observation> =>
            required(Check::List(&Check::Object(Au12Observation::OBJECT), 0, usize::MAX)),
        /// The choice that led to this stimulus.
        bandit_decision_snapshot as "_bandit_decision_snapshot": BanditDecisionSnapshot =>
            required(Check::Object(BanditDecisionSnapshot::OBJECT)),
        /// Physiology of at least one person; absent, never null, when there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        physiological_context as "_physiological_context": Option<PhysiologicalContext> =>
            omittable(Check::Object(PhysiologicalContext::OBJECT)),
        /// Identity of the stimulus, UUID version 4.
        #[serde(skip_serializing_if = "Option::is_none")]
        stimulus_id as "_stimulus_id": Option<Uuid> => optional(Check::Uuid4),
        /// How long a response was waited for, seconds, at most 30.
        #[serde(skip_serializing_if = "Option::is_none")]
        response_observation_horizon_s as "_response_observation_horizon_s": Option<f64> => optional(NON_NEGATIVE),
        /// Whether the person answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        response_inference: Option<ResponseInference> => optional(Check::Object(ResponseInference::OBJECT)),
    }
}

fn response_rules(response: &ResponseInference, report: &mut Report) {
    let is_observed = response.registration_status == RegistrationStatus::ObservableResponse;
    report.demand(
        !response.is_match || is_observed,
        "is_match",
        "only with observable_response",
    );
}

fn handoff_rules(handoff: &InferenceHandoff, report: &mut Report) {
    let length = handoff
        .segment_window_end_utc
        .micros_since(handoff.segment_window_start_utc);
    report.demand(
        length == SEGMENT_SECS * 1_000_000,
        "segment_window_end_utc",
        "must be 30 s after the start",
    );
    let horizon_s = handoff.response_observation_horizon_s.unwrap_or(0.0);
    report.demand(
        horizon_s <= 30.0,
        "_response_observation_horizon_s",
        "must be at most 30 s",
    );
}
