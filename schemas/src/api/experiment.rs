//! Experiments, arms and decisions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::StimulusDefinition;
use crate::time::UtcMicros;

/// An experiment in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentSummary {
    /// Code.
    pub experiment_id: String,
    /// Name.
    pub label: Option<String>,
    /// Arm in force in the live session.
    pub active_arm_id: Option<String>,
    /// Number of arms.
    pub arm_count: u32,
    /// Last change.
    pub last_updated_utc: Option<UtcMicros>,
    /// Newest reward.
    pub latest_reward: Option<f64>,
}

/// Evidence of one arm at a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmDecision {
    /// Arm.
    pub arm_id: String,
    /// Alpha before any update.
    pub pre_update_alpha: f64,
    /// Beta before any update.
    pub pre_update_beta: f64,
    /// Its draw.
    pub sampled_theta: Option<f64>,
}

/// A decision as the operator sees it. `random_seed` exceeds 2^53: browsers must not read it as a double.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// When.
    pub selection_time_utc: UtcMicros,
    /// Chosen arm.
    pub selected_arm_id: String,
    /// Policy.
    pub policy_version: String,
    /// Hash of the context (math 7.7).
    pub decision_context_hash: String,
    /// Seed of the draws.
    pub random_seed: u64,
    /// Evidence by arm.
    pub arm_evidence: Vec<ArmDecision>,
}

/// An arm with its learned state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Arm.
    pub arm_id: String,
    /// What it says and expects.
    pub stimulus_definition: StimulusDefinition,
    /// Posterior alpha.
    pub posterior_alpha: f64,
    /// Posterior beta.
    pub posterior_beta: f64,
    /// Posterior variance.
    pub evaluation_variance: Option<f64>,
    /// Times chosen.
    pub selection_count: u64,
    /// Mean of recent rewards.
    pub recent_reward_mean: Option<f64>,
    /// Share of recent open gates.
    pub recent_semantic_pass_rate: Option<f64>,
    /// Evidence at the newest decision.
    pub decision_evidence: Option<ArmDecision>,
    /// Whether it may be drawn.
    pub enabled: bool,
    /// When it was disabled.
    pub end_dated_at: Option<UtcMicros>,
}

/// An experiment with its arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentDetail {
    /// Code.
    pub experiment_id: String,
    /// Name.
    pub label: Option<String>,
    /// Arm in force.
    pub active_arm_id: Option<String>,
    /// Newest decision.
    pub decision_evidence: Option<Decision>,
    /// Arms by id.
    pub arms: Vec<Arm>,
    /// One sentence on the newest update.
    pub last_update_summary: Option<String>,
    /// Last change.
    pub last_updated_utc: Option<UtcMicros>,
}
