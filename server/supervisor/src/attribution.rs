//! The attribution records an encounter leaves (math 13). Pure; they never touch a posterior.

use lsie_analytics::attribution::{
    DEFAULT_HORIZON_SECS, FoundOutcome, LedgerInput, LedgerSemantic, RewardProxy, build_ledger,
};
use lsie_analytics::reward::RewardOutcome;
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use lsie_store::{AttributionBatch, EvaluationRecord};
use uuid::Uuid;

use crate::live::{CurrentArm, OpenEncounter};

/// What one encounter's records are built from.
#[derive(Debug)]
pub(crate) struct LedgerSource<'a> {
    /// Session.
    pub session_id: Uuid,
    /// Its window.
    pub segment_id: &'a SegmentId,
    /// The encounter.
    pub open: &'a OpenEncounter,
    /// The arm in force at the stimulus.
    pub arm: &'a CurrentArm,
    /// Stimulus time, epoch seconds; lags are counted from it (math 17 B15).
    pub stimulus_time_s: f64,
    /// Delivery judgement of a scorer. An operator's word is no probability: without a scorer the soft reward is null.
    pub evaluation: Option<&'a EvaluationRecord>,
    /// Reward as computed.
    pub reward: Option<&'a RewardOutcome>,
    /// Outcomes of the session since the stimulus, oldest first.
    pub outcomes: &'a [FoundOutcome],
    /// Instant of the first write.
    pub created_at: UtcMicros,
}

/// Builds the records; `None` when the stimulus has no representable time or an identity cannot be formed.
pub(crate) fn ledger_of(source: &LedgerSource<'_>) -> Option<AttributionBatch> {
    let input = LedgerInput {
        session_id: source.session_id,
        segment_id: source.segment_id,
        event_time_utc: UtcMicros::from_epoch_secs(source.stimulus_time_s)?,
        stimulus_time_secs: Some(source.stimulus_time_s),
        stimulus_id: Some(source.open.stimulus_id),
        snapshot: &source.arm.decision.snapshot,
        active_arm: &source.arm.decision.snapshot.selected_arm_id,
        semantic: source.evaluation.map(semantic).unwrap_or_default(),
        response: None,
        series: source.open.series(),
        proxy: source.reward.map(RewardProxy::from).unwrap_or_default(),
        outcomes: source.outcomes,
        // A segment carries one person's series: there is nothing to scan for a lag.
        lag_scan: None,
        horizon_secs: DEFAULT_HORIZON_SECS,
        created_at: source.created_at,
    };
    match build_ledger(&input) {
        Ok(ledger) => Some(AttributionBatch {
            event: Some(ledger.event),
            outcomes: ledger.outcomes,
            links: ledger.links,
            scores: ledger.scores,
        }),
        Err(error) => {
            tracing::error!(stimulus = %source.open.stimulus_id, %error, "no attribution could be built");
            None
        }
    }
}

fn semantic(evaluation: &EvaluationRecord) -> LedgerSemantic {
    LedgerSemantic {
        method: evaluation.method,
        method_version: evaluation.method_version.clone(),
        p_match: Some(evaluation.confidence),
        reason: Some(evaluation.reasoning),
    }
}
