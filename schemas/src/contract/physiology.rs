//! Physiological snapshots (tier T1) and provider chunks (tier T0) (contracts 4.6, 4.7).

use uuid::Uuid;

use super::Report;
use super::check::Check;
use super::declare::contract;
use super::vocabulary::{
    COUNT, COUNT1, DerivationMethod, HEART_RATE_BPM, NON_NEGATIVE, POSITIVE, SourceKind,
    SubjectRole, TEXT, TEXT1, UNIT,
};
use crate::time::UtcMicros;

contract! {
    /// Scalar physiology of one person at one instant (math 8).
    pub struct PhysiologicalSnapshot {
        /// Heart-rate variability, ms; null when invalid or unknown.
        rmssd_ms: Option<f64> => optional(NON_NEGATIVE),
        /// Heart rate, beats per minute, 20 to 300.
        heart_rate_bpm: Option<u16> => optional(HEART_RATE_BPM),
        /// End of the newest contributing chunk.
        source_timestamp_utc: UtcMicros => required(Check::Instant),
        /// Age of that chunk, seconds.
        freshness_s: f64 => required(NON_NEGATIVE),
        /// True above 600 s of age.
        is_stale: bool => required(Check::Bool),
        /// Provider name.
        provider: String => required(TEXT),
        /// Raw material.
        source_kind: SourceKind => required(Check::Enum(SourceKind::NAMES)),
        /// Who computed it.
        derivation_method: DerivationMethod => required(Check::Enum(DerivationMethod::NAMES)),
        /// Derivation window, seconds.
        window_s: u64 => required(COUNT1),
        /// Share of valid samples, within 0 and 1.
        validity_ratio: f64 => required(UNIT),
        /// True from a share of 0.80.
        is_valid: bool => required(Check::Bool),
    }
}

contract! {
    /// Physiology attached to a segment: at least one person.
    pub struct PhysiologicalContext: rules = context_rules {
        /// Person in front of the camera.
        #[serde(skip_serializing_if = "Option::is_none")]
        streamer: Option<PhysiologicalSnapshot> => optional(Check::Object(PhysiologicalSnapshot::OBJECT)),
        /// Person at the console.
        #[serde(skip_serializing_if = "Option::is_none")]
        operator: Option<PhysiologicalSnapshot> => optional(Check::Object(PhysiologicalSnapshot::OBJECT)),
    }
}

contract! {
    /// Samples of a provider chunk. Tier T0: never stored, logged or uploaded.
    pub struct PhysiologicalChunkPayload: rules = payload_rules {
        /// Distance of samples, seconds.
        sample_interval_s: u64 => required(COUNT1),
        /// Samples that carry a value.
        valid_sample_count: u64 => required(COUNT),
        /// Samples the window should hold.
        expected_sample_count: u64 => required(COUNT),
        /// Who computed the values.
        derivation_method: DerivationMethod => required(Check::Enum(DerivationMethod::NAMES)),
        /// Inter-beat intervals, ms.
        ibi_ms_items: Option<Vec<f64>> => optional(Check::List(&POSITIVE, 0, usize::MAX)),
        /// Heart-rate variability, ms.
        rmssd_items_ms: Option<Vec<f64>> => optional(Check::List(&NON_NEGATIVE, 0, usize::MAX)),
        /// Heart rates, beats per minute.
        heart_rate_items_bpm: Option<Vec<u16>> => optional(Check::List(&HEART_RATE_BPM, 0, usize::MAX)),
        /// Motion, provider units.
        motion_items: Option<Vec<f64>> => optional(Check::List(&NON_NEGATIVE, 0, usize::MAX)),
    }
}

contract! {
    /// One provider chunk. Tier T0: process memory only.
    pub struct PhysiologicalChunkEvent {
        /// UUIDv5 over role, kind, resource and window, so that a re-delivery is recognised (math 8.1).
        unique_id: Uuid => required(Check::Uuid),
        /// Always `physiological_chunk`.
        event_type: String => required(Check::Enum(&["physiological_chunk"])),
        /// Provider name; which ones are served is configuration.
        provider: String => required(TEXT1),
        /// Person.
        subject_role: SubjectRole => required(Check::Enum(SubjectRole::NAMES)),
        /// Raw material.
        source_kind: SourceKind => required(Check::Enum(SourceKind::NAMES)),
        /// Start of the samples.
        window_start_utc: UtcMicros => required(Check::Instant),
        /// End of the samples.
        window_end_utc: UtcMicros => required(Check::Instant),
        /// Instant of arrival.
        ingest_timestamp_utc: UtcMicros => required(Check::Instant),
        /// Samples.
        payload: PhysiologicalChunkPayload => required(Check::Object(PhysiologicalChunkPayload::OBJECT)),
    }
}

fn context_rules(context: &PhysiologicalContext, report: &mut Report) {
    report.demand(
        context.streamer.is_some() || context.operator.is_some(),
        "",
        "needs at least one snapshot",
    );
}

fn payload_rules(payload: &PhysiologicalChunkPayload, report: &mut Report) {
    let has_items = payload.ibi_ms_items.is_some()
        || payload.rmssd_items_ms.is_some()
        || payload.heart_rate_items_bpm.is_some();
    report.demand(
        has_items,
        "",
        "needs one of ibi_ms_items, rmssd_items_ms, heart_rate_items_bpm",
    );
}
