//! Area `attribution`: lifts, soft reward, lag scans, platform outcomes and the ledger.

use lsie_analytics::attribution::{
    DEFAULT_HORIZON_SECS, LagPeak, Ledger, LedgerInput, LedgerSemantic, RewardProxy, build_ledger,
    lift, outcome_from_live_event, outcomes_from_object, scan_lags, soft_reward,
};
use lsie_analytics::reward::{Evidence, Gate, evaluate};
use lsie_schemas::contract::{
    Au12Observation, BanditDecisionSnapshot, Contract, SemanticMethod, SemanticReason,
};
use lsie_schemas::time::UtcMicros;
use serde_json::{Map, Value, json};

use super::reward::series;
use super::{Case, Input, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    let output = match case.op {
        "au12_lift" => {
            let lift = lift(&series(input)?, input.optional_float("stimulus_time_s")?);
            json!({
                "au12_baseline_pre": lift.baseline,
                "au12_lift_p90": lift.lift_p90,
                "au12_lift_peak": lift.lift_peak,
                "au12_peak_latency_ms": lift.peak_latency_ms,
            })
        }
        "soft_reward" => {
            let (p_match, proxy) = (
                input.optional_float("p_match")?,
                input.optional_float("proxy_reward")?,
            );
            json!({"soft_reward_candidate": soft_reward(p_match, proxy)})
        }
        "lagged_corr" => {
            let max_lag = u32::try_from(input.unsigned("max_lag")?)
                .map_err(|e| RunError::Input(e.to_string()))?;
            let peak = scan_lags(&input.floats("x")?, &input.floats("y")?, max_lag).peak;
            json!({"sync_peak_corr": peak.map(|p| p.correlation), "sync_peak_lag": peak.map(|p| p.lag)})
        }
        "outcome_from_live_event" => {
            json!({"outcome": outcome_from_live_event(object(input.get("event")?)?)})
        }
        "ledger" => json!({"ledger": ledger(input)?}),
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}

fn object(value: &Value) -> Result<&Map<String, Value>, RunError> {
    value
        .as_object()
        .ok_or_else(|| RunError::Input("not an object".to_owned()))
}

/// Null for metrics that name no session, segment, time or decision.
fn ledger(input: Input<'_>) -> Result<Value, RunError> {
    let metrics = input.at("metrics")?;
    let time_key = if metrics.is_null("event_time_utc") {
        "timestamp_utc"
    } else {
        "event_time_utc"
    };
    let (Ok(session_id), Ok(segment_id), Ok(event_time_utc), Ok(segment_time_utc), Ok(snapshot)) = (
        metrics.uuid("session_id"),
        metrics.segment_id("segment_id"),
        metrics.instant(time_key),
        metrics.instant("timestamp_utc"),
        BanditDecisionSnapshot::from_json(metrics.get("_bandit_decision_snapshot")?),
    ) else {
        return Ok(Value::Null);
    };
    let stimulus_time_secs = metrics.optional_float("_stimulus_time")?;
    let series: Vec<Au12Observation> = metrics
        .list("_au12_series")?
        .iter()
        .map(|o| {
            Ok(Au12Observation {
                timestamp_s: Input(o).float("timestamp_s")?,
                intensity: Input(o).float("intensity")?,
            })
        })
        .collect::<Result<_, RunError>>()?;
    let evidence = Evidence {
        series: &series,
        stimulus_time_secs,
        gate: Gate::unavailable(),
        has_data_gap: false,
    };
    let outcomes = outcomes_from_object(object(metrics.0)?, segment_time_utc, &segment_id);
    let built = build_ledger(&LedgerInput {
        session_id,
        segment_id: &segment_id,
        event_time_utc,
        stimulus_time_secs,
        stimulus_id: None,
        snapshot: &snapshot,
        active_arm: metrics.optional_text("_active_arm")?.unwrap_or_default(),
        semantic: semantic(metrics)?,
        response: None,
        series: &series,
        proxy: evaluate(&evidence)
            .as_ref()
            .map(RewardProxy::from)
            .unwrap_or_default(),
        outcomes: &outcomes,
        lag_scan: lag_scan(input)?,
        horizon_secs: input
            .optional_float("horizon_s")?
            .unwrap_or(DEFAULT_HORIZON_SECS),
        created_at: UtcMicros(0),
    });
    Ok(built.map_or(Value::Null, |ledger| ledger_json(&ledger)))
}

fn semantic(metrics: Input<'_>) -> Result<LedgerSemantic, RunError> {
    if metrics.is_null("semantic") {
        return Ok(LedgerSemantic::default());
    }
    let semantic = metrics.at("semantic")?;
    let unknown = LedgerSemantic::default();
    Ok(LedgerSemantic {
        method: semantic
            .optional_text("semantic_method")?
            .and_then(SemanticMethod::from_text)
            .unwrap_or(unknown.method),
        method_version: semantic
            .optional_text("semantic_method_version")?
            .map_or(unknown.method_version, str::to_owned),
        p_match: semantic.optional_float("confidence_score")?,
        reason: semantic
            .optional_text("reasoning")?
            .and_then(SemanticReason::from_text),
    })
}

fn lag_scan(input: Input<'_>) -> Result<Option<LagPeak>, RunError> {
    if input.is_null("comodulation") || input.at("comodulation")?.is_null("sync_peak_corr") {
        return Ok(None);
    }
    let scan = input.at("comodulation")?;
    let lag = u32::try_from(scan.unsigned("sync_peak_lag")?)
        .map_err(|e| RunError::Input(e.to_string()))?;
    Ok(Some(LagPeak {
        correlation: scan.float("sync_peak_corr")?,
        lag,
    }))
}

/// The records in the words of the file: instants with an offset, scores by method.
fn ledger_json(ledger: &Ledger) -> Value {
    let event = &ledger.event;
    let outcomes: Vec<Value> = ledger
        .outcomes
        .iter()
        .map(|o| {
            json!({
                "outcome_id": o.outcome_id,
                "outcome_time_utc": o.outcome_time_utc.to_offset_text(),
                "source_system": o.source_system,
                "source_event_ref": o.source_event_ref,
                "outcome_value": o.outcome_value,
                "confidence": o.confidence,
            })
        })
        .collect();
    let scores: Map<String, Value> = ledger
        .scores
        .iter()
        .map(|score| (score.attribution_method.clone(), json!(score)))
        .collect();
    json!({
        "event_id": event.event_id,
        "event_time_utc": event.event_time_utc.to_offset_text(),
        "stimulus_time_utc": event.stimulus_time_utc.map(UtcMicros::to_offset_text),
        "selected_arm_id": event.selected_arm_id,
        "expected_rule_text_hash": event.expected_rule_text_hash,
        "expected_response_rule_text_hash": event.expected_response_rule_text_hash,
        "semantic_method": event.semantic_method,
        "semantic_method_version": event.semantic_method_version,
        "semantic_p_match": event.semantic_p_match,
        "semantic_reason_code": event.semantic_reason_code,
        "evidence_flags": event.evidence_flags,
        "finality": event.finality,
        "response_registration_status": event.response_registration_status,
        "outcomes": outcomes,
        "links": ledger.links,
        "scores": scores,
    })
}
