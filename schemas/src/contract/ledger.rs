//! Attribution records (contracts 6). All are upserted by their first id; `created_at` survives an upsert.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::check::Check;
use super::declare::contract;
use super::vocabulary::{
    FINITE, FLAGS, Finality, MODALITY, NON_NEGATIVE, POSITIVE, RegistrationStatus, ResponseReason,
    SemanticMethod, SemanticReason, StimulusModality, TEXT, UNIT,
};
use super::{BanditDecisionSnapshot, Report};
use crate::id::SegmentId;
use crate::time::UtcMicros;

contract! {
    /// A stimulus interaction that outcomes can be attributed to.
    pub struct AttributionEvent {
        /// Ledger id.
        event_id: Uuid => required(Check::Uuid),
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// Segment.
        segment_id: SegmentId => required(Check::Hash),
        /// Always `stimulus_interaction`.
        event_type: String => required(Check::Enum(&["stimulus_interaction"])),
        /// Instant that lags are counted from.
        event_time_utc: UtcMicros => required(Check::Instant),
        /// Instant of the stimulus.
        stimulus_time_utc: Option<UtcMicros> => optional(Check::Instant),
        /// Arm in force.
        selected_arm_id: String => required(TEXT),
        /// Hash of the delivery rule.
        expected_rule_text_hash: String => required(Check::Hash),
        /// Scorer.
        semantic_method: SemanticMethod => required(Check::Enum(SemanticMethod::NAMES)),
        /// Version of the scorer.
        semantic_method_version: String => required(TEXT),
        /// Probability of a match, within 0 and 1.
        semantic_p_match: Option<f64> => optional(UNIT),
        /// Bounded reason.
        semantic_reason_code: Option<SemanticReason> => optional(Check::Enum(SemanticReason::NAMES)),
        /// Version of the reward formula; an identity part.
        reward_path_version: String => required(Check::IdentityPart),
        /// The choice that led to the stimulus.
        bandit_decision_snapshot: BanditDecisionSnapshot => required(Check::Object(BanditDecisionSnapshot::OBJECT)),
        /// Evidence labels, sorted.
        evidence_flags: BTreeSet<String> => default(FLAGS, []),
        /// Whether it can still change.
        finality: Finality => required(Check::Enum(Finality::NAMES)),
        /// Record version.
        schema_version: String => required(TEXT),
        /// First write.
        created_at: UtcMicros => required(Check::Instant),
        /// Identity of the stimulus.
        stimulus_id: Option<Uuid> => optional(Check::Uuid),
        /// Kind of prompt.
        stimulus_modality: Option<StimulusModality> => optional(MODALITY),
        /// Instant of the response.
        matched_response_time_utc: Option<UtcMicros> => optional(Check::Instant),
        /// Whether a response was seen.
        response_registration_status: Option<RegistrationStatus> => optional(Check::Enum(RegistrationStatus::NAMES)),
        /// Why.
        response_reason_code: Option<ResponseReason> => optional(Check::Enum(ResponseReason::NAMES)),
        /// Hash of the response rule.
        expected_response_rule_text_hash: Option<String> => optional(Check::Hash),
    }
}

contract! {
    /// Something that happened and may be owed to a stimulus.
    pub struct OutcomeEvent {
        /// Ledger id.
        outcome_id: Uuid => required(Check::Uuid),
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// Always `creator_follow`.
        outcome_type: String => required(Check::Enum(&["creator_follow"])),
        /// Value, 1.0 for a follow.
        outcome_value: f64 => required(FINITE),
        /// Instant it happened.
        outcome_time_utc: UtcMicros => required(Check::Instant),
        /// Where it was seen; an identity part.
        source_system: String => required(Check::IdentityPart),
        /// Its name there; an identity part.
        source_event_ref: Option<String> => optional(Check::IdentityPart),
        /// Confidence within 0 and 1.
        confidence: f64 => required(UNIT),
        /// Whether it can still change.
        finality: Finality => required(Check::Enum(Finality::NAMES)),
        /// Record version.
        schema_version: String => required(TEXT),
        /// First write.
        created_at: UtcMicros => required(Check::Instant),
    }
}

contract! {
    /// An outcome within the horizon of an event.
    pub struct EventOutcomeLink: rules = link_rules {
        /// Ledger id.
        link_id: Uuid => required(Check::Uuid),
        /// Event.
        event_id: Uuid => required(Check::Uuid),
        /// Outcome.
        outcome_id: Uuid => required(Check::Uuid),
        /// Outcome minus event, seconds, at most the horizon.
        lag_s: f64 => required(NON_NEGATIVE),
        /// Horizon, seconds.
        horizon_s: f64 => required(POSITIVE),
        /// Version of the link rule; an identity part.
        link_rule_version: String => required(Check::IdentityPart),
        /// Why it is eligible, sorted.
        eligibility_flags: BTreeSet<String> => required(FLAGS),
        /// Whether it can still change.
        finality: Finality => required(Check::Enum(Finality::NAMES)),
        /// Record version.
        schema_version: String => required(TEXT),
        /// First write.
        created_at: UtcMicros => required(Check::Instant),
    }
}

contract! {
    /// One attribution number. Nulls are stored, not omitted (math 13.7).
    pub struct AttributionScore {
        /// Ledger id.
        score_id: Uuid => required(Check::Uuid),
        /// Event.
        event_id: Uuid => required(Check::Uuid),
        /// First linked outcome.
        outcome_id: Option<Uuid> => optional(Check::Uuid),
        /// Name of the number; an identity part.
        attribution_method: String => required(Check::IdentityPart),
        /// Version of its formula; an identity part.
        method_version: String => required(Check::IdentityPart),
        /// The number; null when it is not defined.
        score_raw: Option<f64> => nullable(FINITE),
        /// The number on a common scale.
        score_normalized: Option<f64> => optional(FINITE),
        /// Confidence within 0 and 1.
        confidence: Option<f64> => optional(UNIT),
        /// Evidence labels, sorted.
        evidence_flags: BTreeSet<String> => default(FLAGS, []),
        /// Whether it can still change.
        finality: Finality => required(Check::Enum(Finality::NAMES)),
        /// Record version.
        schema_version: String => required(TEXT),
        /// First write.
        created_at: UtcMicros => required(Check::Instant),
    }
}

fn link_rules(link: &EventOutcomeLink, report: &mut Report) {
    report.demand(
        link.lag_s <= link.horizon_s,
        "lag_s",
        "must not exceed the horizon",
    );
}
