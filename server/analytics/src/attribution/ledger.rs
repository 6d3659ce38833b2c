//! The ledger records of one segment (math 13.1, 13.3, 13.4, 13.7).

use std::collections::BTreeSet;

use lsie_schemas::contract::{
    AttributionEvent, AttributionScore, Au12Observation, BanditDecisionSnapshot, EventOutcomeLink,
    Finality, OutcomeEvent, ResponseInference, SemanticMethod, SemanticReason,
};
use lsie_schemas::id::{
    SegmentId, attribution_event_id, attribution_score_id, event_outcome_link_id, outcome_event_id,
};
use lsie_schemas::text::rule_text_hash;
use lsie_schemas::time::UtcMicros;
use uuid::Uuid;

use super::lag_scan::LagPeak;
use super::lift::{lift, soft_reward};
use super::outcome::FoundOutcome;
use crate::error::AnalyticsError;
use crate::reward::RewardOutcome;
use crate::statistics::clamp01;

/// Type of every event here.
pub const EVENT_TYPE: &str = "stimulus_interaction";
/// Version of the score formulas.
pub const METHOD_VERSION: &str = "7E.v1";
/// How long after an event an outcome still counts: seven days.
pub const DEFAULT_HORIZON_SECS: f64 = 604_800.0;
const REWARD_PATH_VERSION: &str = "7B.v3.4";
const SCHEMA_VERSION: &str = "v3.4";
const LINK_RULE_VERSION: &str = "event_outcome_lag_horizon_v1";
const OUTCOME_TYPE: &str = "creator_follow";

/// What the semantic judge said, as far as the ledger keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerSemantic {
    /// Scorer.
    pub method: SemanticMethod,
    /// Its version, `unknown` if not told.
    pub method_version: String,
    /// Probability of a match, any number; clamped, dropped when not finite.
    pub p_match: Option<f64>,
    /// Bounded reason.
    pub reason: Option<SemanticReason>,
}

impl Default for LedgerSemantic {
    fn default() -> Self {
        Self {
            method: SemanticMethod::CrossEncoder,
            method_version: "unknown".to_owned(),
            p_match: None,
            reason: None,
        }
    }
}

/// The affect a soft reward is made of; the first one present counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RewardProxy {
    /// Ungated 90th percentile.
    pub p90: Option<f64>,
    /// Gated reward.
    pub gated_reward: Option<f64>,
    /// A single intensity.
    pub au12_intensity: Option<f64>,
}

impl From<&RewardOutcome> for RewardProxy {
    /// Without frames nothing was seen, so there is no proxy rather than a zero.
    fn from(outcome: &RewardOutcome) -> Self {
        let seen = outcome.n_frames > 0;
        Self {
            p90: seen.then_some(outcome.p90),
            gated_reward: seen.then_some(outcome.gated_reward),
            au12_intensity: None,
        }
    }
}

/// Everything one segment's ledger is built from.
#[derive(Debug, Clone)]
pub struct LedgerInput<'a> {
    /// Session.
    pub session_id: Uuid,
    /// Segment.
    pub segment_id: &'a SegmentId,
    /// Instant lags are counted from: the stimulus, so that the first seconds after it count (math 17 B15).
    pub event_time_utc: UtcMicros,
    /// Stimulus time in epoch seconds.
    pub stimulus_time_secs: Option<f64>,
    /// Identity of the stimulus.
    pub stimulus_id: Option<Uuid>,
    /// The choice that led to the stimulus.
    pub snapshot: &'a BanditDecisionSnapshot,
    /// Arm in force; empty falls back to the chosen arm.
    pub active_arm: &'a str,
    /// Semantic judgement.
    pub semantic: LedgerSemantic,
    /// Response judgement.
    pub response: Option<&'a ResponseInference>,
    /// AU12 observations in arrival order.
    pub series: &'a [Au12Observation],
    /// What the soft reward is made of.
    pub proxy: RewardProxy,
    /// Outcomes in input order.
    pub outcomes: &'a [FoundOutcome],
    /// Best lag of an explicit lag scan; the zero-lag index is never put here.
    pub lag_scan: Option<LagPeak>,
    /// How long after the event an outcome counts, seconds above 0.
    pub horizon_secs: f64,
    /// Instant of the first write.
    pub created_at: UtcMicros,
}

/// The records of one segment, to be upserted together.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// The event.
    pub event: AttributionEvent,
    /// Outcomes, linked or not, each once.
    pub outcomes: Vec<OutcomeEvent>,
    /// Links of the outcomes inside the horizon.
    pub links: Vec<EventOutcomeLink>,
    /// The fixed set of six scores.
    pub scores: Vec<AttributionScore>,
    /// Outcomes left out because a foreign name contains `|`.
    pub refused_outcomes: u32,
}

/// Builds the records of a segment; same input, same ids.
///
/// Errors: the arm is empty in both places, the horizon is not a positive finite number, or a version contains `|`.
pub fn build_ledger(input: &LedgerInput<'_>) -> Result<Ledger, AnalyticsError> {
    if !(input.horizon_secs > 0.0 && input.horizon_secs.is_finite()) {
        return Err(AnalyticsError::NotFinite { what: "horizon" });
    }
    let event = event(input)?;
    let mut outcomes: Vec<OutcomeEvent> = Vec::new();
    let mut refused_outcomes = 0;
    for found in input.outcomes {
        match outcome_of(input.session_id, found, input.created_at) {
            Some(outcome) if outcomes.iter().all(|o| o.outcome_id != outcome.outcome_id) => {
                outcomes.push(outcome);
            }
            Some(_) => {}
            None => refused_outcomes += 1,
        }
    }
    let links = outcomes
        .iter()
        .filter_map(|o| {
            let times = (event.event_id, event.event_time_utc);
            link_of(times, o, input.horizon_secs, input.created_at).transpose()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let linked = links.first().map(|link| link.outcome_id);
    let scores = scores(input, event.event_id, linked)?;
    Ok(Ledger {
        event,
        outcomes,
        links,
        scores,
        refused_outcomes,
    })
}

fn event(input: &LedgerInput<'_>) -> Result<AttributionEvent, AnalyticsError> {
    let arm = [input.active_arm, &input.snapshot.selected_arm_id]
        .into_iter()
        .find(|arm| !arm.is_empty());
    let matched = input.response.and_then(|r| r.matched_response_time);
    Ok(AttributionEvent {
        event_id: attribution_event_id(
            &input.session_id,
            input.segment_id,
            EVENT_TYPE,
            REWARD_PATH_VERSION,
        )
        .map_err(|_| separator("version"))?,
        session_id: input.session_id,
        segment_id: input.segment_id.clone(),
        event_type: EVENT_TYPE.to_owned(),
        event_time_utc: input.event_time_utc,
        stimulus_time_utc: input
            .stimulus_time_secs
            .and_then(UtcMicros::from_epoch_secs),
        selected_arm_id: arm.ok_or(AnalyticsError::UnknownArm)?.to_owned(),
        expected_rule_text_hash: rule_text_hash(&input.snapshot.expected_stimulus_rule),
        semantic_method: input.semantic.method,
        semantic_method_version: input.semantic.method_version.clone(),
        semantic_p_match: p_match(input),
        semantic_reason_code: input.semantic.reason,
        reward_path_version: REWARD_PATH_VERSION.to_owned(),
        bandit_decision_snapshot: input.snapshot.clone(),
        evidence_flags: flags(&["bandit_decision_snapshot", "module_d_metrics"]),
        finality: Finality::OnlineProvisional,
        schema_version: SCHEMA_VERSION.to_owned(),
        created_at: input.created_at,
        stimulus_id: input.stimulus_id,
        stimulus_modality: Some(input.snapshot.stimulus_modality),
        matched_response_time_utc: matched.and_then(UtcMicros::from_epoch_secs),
        response_registration_status: input.response.map(|r| r.registration_status),
        response_reason_code: input.response.map(|r| r.response_reason_code),
        expected_response_rule_text_hash: Some(rule_text_hash(
            &input.snapshot.expected_response_rule,
        )),
    })
}

/// `None` for an outcome whose foreign name cannot be part of an identity.
pub(super) fn outcome_of(
    session_id: Uuid,
    found: &FoundOutcome,
    created_at: UtcMicros,
) -> Option<OutcomeEvent> {
    let reference = found.source_event_ref.as_deref();
    let outcome_id = outcome_event_id(
        &session_id,
        OUTCOME_TYPE,
        found.time_utc,
        &found.source_system,
        reference,
    )
    .ok()?;
    Some(OutcomeEvent {
        outcome_id,
        session_id,
        outcome_type: OUTCOME_TYPE.to_owned(),
        outcome_value: if found.value.is_finite() {
            found.value
        } else {
            1.0
        },
        outcome_time_utc: found.time_utc,
        source_system: found.source_system.clone(),
        source_event_ref: found.source_event_ref.clone(),
        confidence: clamp01(found.confidence),
        finality: Finality::OnlineProvisional,
        schema_version: SCHEMA_VERSION.to_owned(),
        created_at,
    })
}

/// A link of an event (id and time) iff `0 <= lag <= horizon`.
pub(super) fn link_of(
    (event_id, event_time_utc): (Uuid, UtcMicros),
    outcome: &OutcomeEvent,
    horizon_secs: f64,
    created_at: UtcMicros,
) -> Result<Option<EventOutcomeLink>, AnalyticsError> {
    let lag_s = outcome.outcome_time_utc.0.saturating_sub(event_time_utc.0) as f64 / 1e6;
    if !(0.0..=horizon_secs).contains(&lag_s) {
        return Ok(None);
    }
    Ok(Some(EventOutcomeLink {
        link_id: event_outcome_link_id(&event_id, &outcome.outcome_id, LINK_RULE_VERSION)
            .map_err(|_| separator("version"))?,
        event_id,
        outcome_id: outcome.outcome_id,
        lag_s,
        horizon_s: horizon_secs,
        link_rule_version: LINK_RULE_VERSION.to_owned(),
        eligibility_flags: flags(&["same_session", "within_horizon"]),
        finality: Finality::OnlineProvisional,
        schema_version: SCHEMA_VERSION.to_owned(),
        created_at,
    }))
}

/// One row of the fixed set before it has an id.
struct Row {
    method: &'static str,
    raw: Option<f64>,
    is_normalised: bool,
    confidence: Option<f64>,
    flags: &'static [&'static str],
}

/// The fixed set of math 13.7, before ids.
fn score_rows(input: &LedgerInput<'_>) -> [Row; 6] {
    let lift = lift(input.series, input.stimulus_time_secs);
    let p_match = p_match(input);
    let proxy = input
        .proxy
        .p90
        .or(input.proxy.gated_reward)
        .or(input.proxy.au12_intensity);
    let lag_flags: &[&str] = if input.lag_scan.is_some() {
        &["lag_scan_result"]
    } else {
        &[]
    };
    let plain = |method, raw, is_normalised, flags| Row {
        method,
        raw,
        is_normalised,
        confidence: None,
        flags,
    };
    [
        Row {
            method: "soft_reward_candidate",
            raw: soft_reward(p_match, proxy),
            is_normalised: true,
            confidence: p_match,
            flags: &["au12_reward_proxy", "semantic_p_match"],
        },
        plain(
            "au12_lift_p90",
            lift.lift_p90,
            true,
            &["au12_series", "baseline_pre"],
        ),
        plain(
            "au12_lift_peak",
            lift.lift_peak,
            true,
            &["au12_series", "baseline_pre"],
        ),
        plain(
            "au12_peak_latency_ms",
            lift.peak_latency_ms,
            false,
            &["au12_series", "stimulus_time"],
        ),
        plain(
            "sync_peak_corr",
            input.lag_scan.map(|p| p.correlation),
            true,
            lag_flags,
        ),
        plain(
            "sync_peak_lag",
            input.lag_scan.map(|p| f64::from(p.lag)),
            false,
            lag_flags,
        ),
    ]
}

fn scores(
    input: &LedgerInput<'_>,
    event_id: Uuid,
    outcome_id: Option<Uuid>,
) -> Result<Vec<AttributionScore>, AnalyticsError> {
    score_rows(input)
        .into_iter()
        .map(|row| {
            let score_raw = row.raw.filter(|v| v.is_finite());
            Ok(AttributionScore {
                score_id: attribution_score_id(
                    &event_id,
                    outcome_id.as_ref(),
                    row.method,
                    METHOD_VERSION,
                )
                .map_err(|_| separator("version"))?,
                event_id,
                outcome_id,
                attribution_method: row.method.to_owned(),
                method_version: METHOD_VERSION.to_owned(),
                score_raw,
                score_normalized: score_raw.filter(|_| row.is_normalised),
                confidence: row.confidence,
                evidence_flags: flags(row.flags),
                finality: Finality::OnlineProvisional,
                schema_version: SCHEMA_VERSION.to_owned(),
                created_at: input.created_at,
            })
        })
        .collect()
}

fn p_match(input: &LedgerInput<'_>) -> Option<f64> {
    input
        .semantic
        .p_match
        .filter(|p| p.is_finite())
        .map(clamp01)
}

fn flags(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn separator(part: &'static str) -> AnalyticsError {
    AnalyticsError::SeparatorInPart { part }
}
