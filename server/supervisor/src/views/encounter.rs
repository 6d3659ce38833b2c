//! Encounters: committed rows, and the one that is open as far as it has come.

use lsie_schemas::api::{Attribution, Encounter, EncounterState, EncounterV2, Semantic};
use lsie_schemas::time::UtcMicros;
use lsie_store::Verdict;
use lsie_store::rows::{AttributionRow, EncounterRow, EvaluationRow};
use uuid::Uuid;

use crate::live::OpenEncounter;
use crate::snapshot::Snapshot;

pub(super) fn view(row: EncounterRow) -> EncounterV2 {
    let attribution = row
        .attribution
        .map(|ledger| attribution(ledger, row.au12_baseline_pre));
    let method = if row.attested {
        Some("operator_attested".to_owned())
    } else {
        row.evaluation
            .as_ref()
            .map(|evaluation| code(&evaluation.method))
    };
    EncounterV2 {
        state_v2: code(&row.verdict),
        applied: row.applied,
        skip_reason: row.skip_reason,
        semantic_method: method,
        propensity: row.propensity,
        segment_id: Some(row.segment_id.to_string()),
        posterior_after: row
            .applied
            .then_some((row.posterior_after.alpha, row.posterior_after.beta)),
        base: Encounter {
            encounter_id: row.id.to_string(),
            session_id: row.session_id,
            segment_timestamp_utc: row.timestamp,
            state: v1_state(row.verdict, row.gate_open, row.n_frames_in_window),
            active_arm: Some(row.arm),
            expected_response_text: Some(row.stimulus_definition.expected_response_rule),
            stimulus_time_utc: row.stimulus_time,
            semantic_gate: row.gate_open.map(u8::from),
            semantic_confidence: row
                .evaluation
                .as_ref()
                .map(|evaluation| evaluation.confidence),
            observed_response_text: None,
            p90_intensity: row.p90_intensity,
            gated_reward: row.gated_reward,
            n_frames_in_window: row.n_frames_in_window,
            au12_baseline_pre: row.au12_baseline_pre,
            observational_acoustic: row.acoustic,
            semantic_evaluation: row.evaluation.map(semantic),
            attribution,
            physiology_attached: row.physiology_stale.is_some(),
            physiology_stale: row.physiology_stale,
            notes: row.notes,
        },
    }
}

/// v1 knows three outcomes only: a gate that is not open closes first (math 6.5).
fn v1_state(verdict: Verdict, gate_open: Option<bool>, n_frames: Option<u32>) -> EncounterState {
    match (gate_open, n_frames) {
        (Some(true), Some(0)) => EncounterState::RejectedNoFrames,
        (Some(true), Some(_)) if verdict == Verdict::Completed => EncounterState::Completed,
        (Some(true), _) => EncounterState::RejectedNoFrames,
        _ => EncounterState::RejectedGateClosed,
    }
}

fn semantic(row: EvaluationRow) -> Semantic {
    Semantic {
        reasoning: code(&row.reasoning),
        is_match: Some(row.is_match),
        confidence_score: Some(row.confidence),
        semantic_method: code(&row.method),
        semantic_method_version: Some(row.method_version),
    }
}

/// The baseline of the lifts is the one of the reward; unseen it counts as 0 as soon as something was measured (math 13.5).
fn attribution(row: AttributionRow, baseline: Option<f64>) -> Attribution {
    let score = |method: &str| row.scores.get(method).copied().flatten();
    Attribution {
        soft_reward_candidate: score("soft_reward_candidate"),
        au12_baseline_pre: baseline.or(score("au12_lift_p90").map(|_| 0.0)),
        au12_lift_p90: score("au12_lift_p90"),
        au12_lift_peak: score("au12_lift_peak"),
        au12_peak_latency_ms: score("au12_peak_latency_ms"),
        sync_peak_corr: score("sync_peak_corr"),
        sync_peak_lag: score("sync_peak_lag")
            .filter(|lag| lag.fract() == 0.0 && *lag >= 0.0)
            .map(|lag| lag as u32),
        outcome_link_lag_s: row.outcome_link_lag_s,
        finality: Some(row.finality),
    }
}

/// The open encounter of this session, if there is one that `committed` does not hold already: the store knows of a commit
/// before the snapshot does.
pub(super) fn open_view(
    snapshot: &Snapshot,
    session_id: Uuid,
    committed: &[EncounterRow],
    now: UtcMicros,
) -> Option<EncounterV2> {
    let live = snapshot
        .live
        .as_ref()
        .filter(|live| live.id == session_id)?;
    let open = live.current().filter(|open| {
        committed
            .iter()
            .all(|row| row.stimulus_id != Some(open.stimulus_id))
    })?;
    let arm = open.arm.as_ref().unwrap_or(&live.arm);
    let stimulus_time = open.stimulus_time_s.and_then(UtcMicros::from_epoch_secs);
    Some(EncounterV2 {
        state_v2: open.phase().to_owned(),
        applied: false,
        skip_reason: None,
        semantic_method: open.attestation.map(|_| "operator_attested".to_owned()),
        propensity: Some(arm.decision.propensity),
        segment_id: open
            .segment
            .as_ref()
            .map(|segment| segment.segment_id.to_string()),
        posterior_after: None,
        base: Encounter {
            encounter_id: open.stimulus_id.to_string(),
            session_id,
            segment_timestamp_utc: stimulus_time.map_or(now, |t| t.plus_micros(5_000_000)),
            state: open_state(open),
            active_arm: Some(arm.decision.snapshot.selected_arm_id.clone()),
            expected_response_text: Some(arm.definition.expected_response_rule.clone()),
            stimulus_time_utc: stimulus_time,
            semantic_gate: None,
            semantic_confidence: None,
            observed_response_text: None,
            p90_intensity: None,
            gated_reward: None,
            n_frames_in_window: None,
            au12_baseline_pre: None,
            observational_acoustic: None,
            semantic_evaluation: None,
            attribution: None,
            physiology_attached: open.physiology.is_some(),
            physiology_stale: None,
            notes: Vec::new(),
        },
    })
}

fn open_state(open: &OpenEncounter) -> EncounterState {
    if open.stimulus_time_s.is_some() {
        EncounterState::Measuring
    } else {
        EncounterState::StimulusIssued
    }
}

fn code<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
