//! Making a decision and its immutable record (math 7.2, 7.6, 7.7).

use std::collections::BTreeMap;

use lsie_schemas::contract::{ArmPosterior, BanditDecisionSnapshot, StimulusDefinition};
use lsie_schemas::text::{canonical_json, sha256_hex};
use lsie_schemas::time::UtcMicros;
use serde_json::{Value, json};
use uuid::Uuid;

use super::best::best_arm;
use super::choice::choose;
use super::posterior::Posterior;
use super::seed::{POLICY_V2, seed};
use crate::error::AnalyticsError;

/// An arm of an experiment as the store knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Arm id, unique in its experiment.
    pub arm_id: String,
    /// Learned state.
    pub posterior: Posterior,
    /// What it says and expects.
    pub definition: StimulusDefinition,
    /// Whether it may be drawn.
    pub enabled: bool,
    /// Whether it was withdrawn for good.
    pub is_end_dated: bool,
}

/// Where and when a decision is made. Everything here is part of the seed or the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecisionContext<'a> {
    /// Session.
    pub session_id: Uuid,
    /// Start of the window the decision is for.
    pub window_start_utc: UtcMicros,
    /// Stimulus time in epoch seconds, if already known.
    pub stimulus_time_secs: Option<f64>,
    /// Public code of the experiment.
    pub experiment_code: &'a str,
    /// Its row id.
    pub experiment_row_id: i64,
}

/// A decision with what an operator needs to judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record, taken before any update.
    pub snapshot: BanditDecisionSnapshot,
    /// Probability with which this arm is chosen from these posteriors, error below 1e-6.
    pub propensity: f64,
    /// The same for every candidate.
    pub propensity_by_arm: BTreeMap<String, f64>,
    /// The arm that came second and its draw.
    pub runner_up: Option<(String, f64)>,
    /// `only_arm`, `exploit` (the chosen arm also has the best mean) or `explore`.
    pub reason: &'static str,
}

/// Arms that may be drawn, by arm id in code-point order (math 7.2). None is an error, as is a repeated id.
pub fn candidates(arms: &[Arm]) -> Result<Vec<&Arm>, AnalyticsError> {
    let mut chosen: Vec<&Arm> = arms
        .iter()
        .filter(|arm| arm.enabled && !arm.is_end_dated)
        .collect();
    chosen.sort_by(|x, y| x.arm_id.cmp(&y.arm_id));
    if chosen
        .windows(2)
        .any(|pair| matches!(pair, [x, y] if x.arm_id == y.arm_id))
    {
        return Err(AnalyticsError::DuplicateArm);
    }
    if chosen.is_empty() {
        Err(AnalyticsError::NoArms)
    } else {
        Ok(chosen)
    }
}

/// Draws an arm under `lsie_ts_v2`. Same context and arms, same decision, bit for bit.
pub fn decide(
    context: &DecisionContext<'_>,
    arms: &[Arm],
    selection_time_utc: UtcMicros,
) -> Result<Decision, AnalyticsError> {
    let candidates = candidates(arms)?;
    let random_seed = seed(
        &context.session_id,
        context.window_start_utc,
        context.stimulus_time_secs,
        context.experiment_code,
        POLICY_V2,
    )?;
    let posterior_by_arm: BTreeMap<String, Posterior> = candidates
        .iter()
        .map(|arm| (arm.arm_id.clone(), arm.posterior))
        .collect();
    let choice = choose(random_seed, &posterior_by_arm)?;
    let selected = candidates
        .iter()
        .find(|arm| arm.arm_id == choice.arm_id)
        .ok_or(AnalyticsError::UnknownArm)?;
    let posteriors: Vec<Posterior> = posterior_by_arm.values().copied().collect();
    let propensity_by_arm: BTreeMap<String, f64> = posterior_by_arm
        .keys()
        .cloned()
        .zip(best_arm(&posteriors)?.probability)
        .collect();
    let reason = reason(selected, &candidates);
    let candidate_arm_ids: Vec<String> = candidates.iter().map(|arm| arm.arm_id.clone()).collect();
    let stored: BTreeMap<String, ArmPosterior> = posterior_by_arm
        .iter()
        .map(|(arm, p)| {
            (
                arm.clone(),
                ArmPosterior {
                    alpha: p.alpha(),
                    beta: p.beta(),
                },
            )
        })
        .collect();
    let decision_context_hash = context_hash(
        context.experiment_code,
        context.experiment_row_id,
        &candidate_arm_ids,
        &stored,
        &choice.arm_id,
        POLICY_V2,
    );
    let definition = selected.definition.clone();
    Ok(Decision {
        propensity: propensity_by_arm
            .get(&choice.arm_id)
            .copied()
            .unwrap_or(0.0),
        propensity_by_arm,
        runner_up: choice.runner_up,
        reason,
        snapshot: BanditDecisionSnapshot {
            selection_method: "thompson_sampling".to_owned(),
            selection_time_utc,
            experiment_id: context.experiment_row_id,
            policy_version: POLICY_V2.to_owned(),
            selected_arm_id: choice.arm_id,
            candidate_arm_ids,
            posterior_by_arm: stored,
            sampled_theta_by_arm: choice.theta_by_arm,
            decision_context_hash,
            random_seed,
            stimulus_modality: definition.stimulus_modality,
            stimulus_payload: definition.stimulus_payload,
            expected_stimulus_rule: definition.expected_stimulus_rule,
            expected_response_rule: definition.expected_response_rule,
        },
    })
}

fn reason(selected: &Arm, candidates: &[&Arm]) -> &'static str {
    let best_mean = candidates
        .iter()
        .map(|arm| arm.posterior.mean())
        .fold(0.0, f64::max);
    match candidates {
        [_] => "only_arm",
        _ if selected.posterior.mean() >= best_mean => "exploit",
        _ => "explore",
    }
}

/// Canonical JSON text of a decision's context (math 7.7); the order of the candidates is kept.
pub fn context_canonical_json(
    experiment_code: &str,
    experiment_row_id: i64,
    candidate_arm_ids: &[String],
    posterior_by_arm: &BTreeMap<String, ArmPosterior>,
    selected_arm_id: &str,
    policy_version: &str,
) -> String {
    let posteriors: serde_json::Map<String, Value> = posterior_by_arm
        .iter()
        .map(|(arm, p)| (arm.clone(), json!({"alpha": p.alpha, "beta": p.beta})))
        .collect();
    canonical_json(&json!({
        "experiment_code": experiment_code,
        "experiment_row_id": experiment_row_id,
        "candidate_arm_ids": candidate_arm_ids,
        "posterior_by_arm": posteriors,
        "selected_arm_id": selected_arm_id,
        "policy_version": policy_version,
    }))
}

/// SHA-256 of [`context_canonical_json`], 64 lowercase hex digits.
pub fn context_hash(
    experiment_code: &str,
    experiment_row_id: i64,
    candidate_arm_ids: &[String],
    posterior_by_arm: &BTreeMap<String, ArmPosterior>,
    selected_arm_id: &str,
    policy_version: &str,
) -> String {
    let text = context_canonical_json(
        experiment_code,
        experiment_row_id,
        candidate_arm_ids,
        posterior_by_arm,
        selected_arm_id,
        policy_version,
    );
    sha256_hex(text.as_bytes())
}
