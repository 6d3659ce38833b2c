//! What crosses to the cloud, tier T2, and the outbox in front of it (contracts 7). All texts are trimmed.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::check::Check;
use super::declare::{contract, text_enum};
use super::vocabulary::{COUNT, POSITIVE, TEXT1, UNIT};
use super::{AttributionEvent, INT, InferenceHandoff, Report, StimulusDefinition};
use crate::id::SegmentId;
use crate::time::UtcMicros;

text_enum! {
    /// Cloud route of an upload.
    pub enum UploadEndpoint {
        TelemetrySegments = "telemetry_segments",
        TelemetryPosteriorDeltas = "telemetry_posterior_deltas",
    }
}

text_enum! {
    /// Payload of an upload, in the order that is kept per segment.
    pub enum UploadPayloadType {
        InferenceHandoff = "inference_handoff",
        AttributionEvent = "attribution_event",
        PosteriorDelta = "posterior_delta",
    }
}

text_enum! {
    /// Where an upload stands.
    pub enum UploadStatus {
        Pending = "pending",
        InFlight = "in_flight",
        DeadLetter = "dead_letter",
    }
}

contract! {
    /// One posterior update, replayable once per segment, client and arm (math 7.8).
    pub struct PosteriorDelta: trim {
        /// Row id of the experiment.
        experiment_id: i64 => required(INT),
        /// Arm.
        arm_id: String => required(TEXT1),
        /// Reward, within 0 and 1.
        delta_alpha: f64 => required(UNIT),
        /// One minus the reward.
        delta_beta: f64 => required(UNIT),
        /// Segment.
        segment_id: SegmentId => required(Check::Hash),
        /// Installation.
        client_id: String => required(TEXT1),
        /// UUIDv5 of the update.
        event_id: Uuid => required(Check::Uuid),
        /// Instant of the local update.
        applied_at_utc: UtcMicros => required(Check::Instant),
        /// Context of the choice.
        decision_context_hash: String => required(Check::Hash),
    }
}

contract! {
    /// Segments and events for the cloud; not both empty.
    pub struct TelemetrySegmentBatch: trim, rules = batch_rules {
        /// Handoffs.
        segments: Vec<InferenceHandoff> => default(Check::List(&Check::Object(InferenceHandoff::OBJECT), 0, usize::MAX), []),
        /// Attribution events.
        attribution_events: Vec<AttributionEvent> =>
            default(Check::List(&Check::Object(AttributionEvent::OBJECT), 0, usize::MAX), []),
    }
}

contract! {
    /// Posterior updates for the cloud.
    pub struct TelemetryPosteriorDeltaBatch: trim {
        /// At least one.
        deltas: Vec<PosteriorDelta> => required(Check::List(&Check::Object(PosteriorDelta::OBJECT), 1, usize::MAX)),
    }
}

contract! {
    /// Answer of the cloud to a batch.
    #[derive(Eq)]
    pub struct IngestResponse: trim {
        /// Always `accepted`.
        status: String => required(Check::Enum(&["accepted"])),
        /// Records taken.
        accepted_count: u64 => required(COUNT),
        /// Records that were new.
        inserted_count: u64 => required(COUNT),
    }
}

contract! {
    /// One arm of a bundle.
    pub struct BundleArm: trim {
        /// Arm.
        arm_id: String => required(TEXT1),
        /// Its stimulus.
        stimulus_definition: StimulusDefinition => required(Check::Object(StimulusDefinition::OBJECT)),
        /// Posterior for a new arm, above 0.
        posterior_alpha: f64 => required(POSITIVE),
        /// Posterior for a new arm, above 0.
        posterior_beta: f64 => required(POSITIVE),
        /// Selections so far.
        selection_count: u64 => default(COUNT, 0),
        /// May be selected.
        enabled: bool => default(Check::Bool, true),
    }
}

contract! {
    /// One experiment of a bundle.
    pub struct BundleExperiment: trim, rules = experiment_rules {
        /// Experiment code.
        experiment_id: String => required(TEXT1),
        /// Name for people.
        label: String => required(TEXT1),
        /// Arms with distinct ids.
        arms: Vec<BundleArm> => required(Check::List(&Check::Object(BundleArm::OBJECT), 1, usize::MAX)),
    }
}

contract! {
    /// Signed experiments; see [`crate::bundle`] for the signature.
    pub struct ExperimentBundle: trim, rules = bundle_rules {
        /// Identity of the bundle.
        bundle_id: String => required(TEXT1),
        /// Start of validity.
        issued_at_utc: UtcMicros => required(Check::Instant),
        /// End of validity, exclusive.
        expires_at_utc: UtcMicros => required(Check::Instant),
        /// Selection policy.
        policy_version: String => required(TEXT1),
        /// Experiments with distinct ids.
        experiments: Vec<BundleExperiment> => required(Check::List(&Check::Object(BundleExperiment::OBJECT), 1, usize::MAX)),
        /// Ed25519 over the canonical payload, base64url.
        signature: String => required(TEXT1),
    }
}

contract! {
    /// Announces a session to the cloud.
    #[derive(Eq)]
    pub struct CloudSessionCreate: trim {
        /// Installation.
        client_id: String => required(TEXT1),
        /// Start of the session.
        started_at_utc: UtcMicros => required(Check::Instant),
        /// Selection policy.
        policy_version: String => required(TEXT1),
    }
}

contract! {
    /// Answer to [`CloudSessionCreate`].
    #[derive(Eq)]
    pub struct CloudSessionCreated: trim {
        /// Session, UUID version 4.
        session_id: Uuid => required(Check::Uuid4),
        /// Installation.
        client_id: String => required(TEXT1),
        /// Instant of the record.
        created_at_utc: UtcMicros => required(Check::Instant),
    }
}

contract! {
    /// Ends a session in the cloud; repeating it is harmless.
    #[derive(Eq)]
    pub struct CloudSessionEnd: trim {
        /// End of the session.
        ended_at_utc: UtcMicros => required(Check::Instant),
        /// Why it ended.
        reason: Option<String> => optional(TEXT1),
    }
}

contract! {
    /// Answer to [`CloudSessionEnd`].
    #[derive(Eq)]
    pub struct CloudSessionEnded: trim {
        /// Session.
        session_id: Uuid => required(Check::Uuid),
        /// End of the session.
        ended_at_utc: UtcMicros => required(Check::Instant),
        /// Always `ended`.
        status: String => required(Check::Enum(&["ended"])),
    }
}

contract! {
    /// One row of the outbox.
    #[derive(Eq)]
    pub struct PendingUpload: trim {
        /// Identity by content ([`crate::id::upload_id`]).
        upload_id: String => required(Check::Hash),
        /// Route.
        endpoint: UploadEndpoint => required(Check::Enum(UploadEndpoint::NAMES)),
        /// Kind of payload.
        payload_type: UploadPayloadType => required(Check::Enum(UploadPayloadType::NAMES)),
        /// Key that makes a repeat recognisable.
        dedupe_key: String => required(TEXT1),
        /// Canonical JSON.
        payload_json: String => required(TEXT1),
        /// SHA-256 of the JSON.
        payload_sha256: String => required(Check::Hash),
        /// Instant the payload was reduced to its envelope.
        payload_redacted_at_utc: Option<UtcMicros> => optional(Check::Instant),
        /// First write.
        created_at_utc: UtcMicros => required(Check::Instant),
        /// Earliest next attempt.
        next_attempt_at_utc: UtcMicros => required(Check::Instant),
        /// Attempts so far.
        attempt_count: u64 => required(COUNT),
        /// Instant a worker took it.
        locked_at_utc: Option<UtcMicros> => optional(Check::Instant),
        /// Last failure, at most 500 characters.
        last_error: Option<String> => optional(Check::Text(0, 500)),
        /// Where it stands.
        status: UploadStatus => required(Check::Enum(UploadStatus::NAMES)),
    }
}

impl PosteriorDelta {
    /// Tells whether the step adds exactly one pseudo-count: `delta_alpha + delta_beta = 1` within 1e-9.
    ///
    /// Whoever moves a posterior demands this; the payload check does not, because older records break it.
    #[must_use]
    pub fn adds_one_count(&self) -> bool {
        (self.delta_alpha + self.delta_beta - 1.0).abs() <= 1e-9
    }
}

fn batch_rules(batch: &TelemetrySegmentBatch, report: &mut Report) {
    report.demand(
        !batch.segments.is_empty() || !batch.attribution_events.is_empty(),
        "",
        "must not be empty",
    );
}

fn experiment_rules(experiment: &BundleExperiment, report: &mut Report) {
    let ids: BTreeSet<_> = experiment.arms.iter().map(|arm| &arm.arm_id).collect();
    report.demand(
        ids.len() == experiment.arms.len(),
        "arms",
        "arm ids must be distinct",
    );
}

fn bundle_rules(bundle: &ExperimentBundle, report: &mut Report) {
    report.demand(
        bundle.expires_at_utc > bundle.issued_at_utc,
        "expires_at_utc",
        "must be after issued_at_utc",
    );
    let ids: BTreeSet<_> = bundle
        .experiments
        .iter()
        .map(|experiment| &experiment.experiment_id)
        .collect();
    report.demand(
        ids.len() == bundle.experiments.len(),
        "experiments",
        "experiment ids must be distinct",
    );
}
