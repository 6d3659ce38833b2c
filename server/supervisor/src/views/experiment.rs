//! Experiments and what was learnt about their arms.

use lsie_schemas::api::{Arm, ArmDecision, Decision, ExperimentDetail, ExperimentSummary};
use lsie_schemas::contract::BanditDecisionSnapshot;
use lsie_store::rows::{ArmRow, ExperimentDetailRow, ExperimentRow};

use crate::snapshot::Snapshot;

pub(super) fn summary(row: ExperimentRow, snapshot: &Snapshot) -> ExperimentSummary {
    ExperimentSummary {
        active_arm_id: active_arm(&row.experiment_id, snapshot).or(row.active_arm),
        experiment_id: row.experiment_id,
        label: row.label,
        arm_count: row.arm_count,
        last_updated_utc: Some(row.updated_at),
        latest_reward: row.latest_reward,
    }
}

pub(super) fn detail(row: ExperimentDetailRow, snapshot: &Snapshot) -> ExperimentDetail {
    let decision = row.latest_decision.map(|decision| decision.snapshot);
    let last_update_summary =
        row.latest_encounter.map(
            |encounter| match (encounter.applied, encounter.gated_reward) {
                (true, Some(reward)) => {
                    format!("{} was updated with reward {reward:.4}", encounter.arm)
                }
                _ => format!(
                    "{} was left alone: {}",
                    encounter.arm,
                    encounter.skip_reason.unwrap_or_default()
                ),
            },
        );
    ExperimentDetail {
        active_arm_id: active_arm(&row.experiment.experiment_id, snapshot)
            .or(row.experiment.active_arm),
        arms: row
            .arms
            .into_iter()
            .map(|row| arm(row, decision.as_ref()))
            .collect(),
        decision_evidence: decision.map(view_decision),
        experiment_id: row.experiment.experiment_id,
        label: row.experiment.label,
        last_update_summary,
        last_updated_utc: Some(row.experiment.updated_at),
    }
}

pub(super) fn active_arm(experiment: &str, snapshot: &Snapshot) -> Option<String> {
    let live = snapshot
        .live
        .as_ref()
        .filter(|live| live.experiment_id == experiment)?;
    Some(live.arm.decision.snapshot.selected_arm_id.clone())
}

fn arm(row: ArmRow, decision: Option<&BanditDecisionSnapshot>) -> Arm {
    let (a, b) = (row.posterior.alpha, row.posterior.beta);
    Arm {
        decision_evidence: decision.and_then(|decision| evidence(decision, &row.arm)),
        arm_id: row.arm,
        stimulus_definition: row.stimulus_definition,
        posterior_alpha: a,
        posterior_beta: b,
        evaluation_variance: Some(a * b / ((a + b).powi(2) * (a + b + 1.0))),
        selection_count: row.selection_count,
        recent_reward_mean: row.recent_reward_mean,
        recent_semantic_pass_rate: row.recent_semantic_pass_rate,
        enabled: row.enabled,
        end_dated_at: row.end_dated_at,
    }
}

fn evidence(decision: &BanditDecisionSnapshot, arm: &str) -> Option<ArmDecision> {
    let posterior = decision.posterior_by_arm.get(arm)?;
    Some(ArmDecision {
        arm_id: arm.to_owned(),
        pre_update_alpha: posterior.alpha,
        pre_update_beta: posterior.beta,
        sampled_theta: decision.sampled_theta_by_arm.get(arm).copied(),
    })
}

fn view_decision(decision: BanditDecisionSnapshot) -> Decision {
    let arm_evidence = decision
        .candidate_arm_ids
        .iter()
        .filter_map(|arm| evidence(&decision, arm))
        .collect();
    Decision {
        arm_evidence,
        selection_time_utc: decision.selection_time_utc,
        selected_arm_id: decision.selected_arm_id,
        policy_version: decision.policy_version,
        decision_context_hash: decision.decision_context_hash,
        random_seed: decision.random_seed,
    }
}
