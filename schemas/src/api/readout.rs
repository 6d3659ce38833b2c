//! v2: what an operator may expect of the arms of an experiment, and what other policies would have earned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::UtcMicros;

/// v2: expectations of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentReadout {
    /// Code.
    pub experiment_id: String,
    /// Name.
    pub label: Option<String>,
    /// When.
    pub generated_at_utc: UtcMicros,
    /// Arm in force.
    pub active_arm_id: Option<String>,
    /// Share of the posterior inside each interval.
    pub interval_mass: f64,
    /// Arms by id, disabled ones included.
    pub arms: Vec<ArmReadout>,
    /// Applied encounters the off-policy estimates rest on.
    pub log: ChoiceLog,
    /// Policies by name: `as_run`, `thompson_now`, `uniform`.
    pub policies: Vec<PolicyReadout>,
}

/// v2: expectations of one arm. All rates are rewards in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmReadout {
    /// Arm.
    pub arm_id: String,
    /// Whether it may be drawn.
    pub enabled: bool,
    /// Posterior alpha.
    pub posterior_alpha: f64,
    /// Posterior beta.
    pub posterior_beta: f64,
    /// Posterior mean of the reward.
    pub mean: f64,
    /// Lower end of the central 95 % credible interval.
    pub interval_low: f64,
    /// Upper end.
    pub interval_high: f64,
    /// With 95 % probability the reward is at least this.
    pub floor: f64,
    /// Probability that no enabled arm is better; also how often it is drawn next. Null when disabled.
    pub probability_best: Option<f64>,
    /// Reward lost per use if this arm were used for good. Null when disabled.
    pub expected_loss: Option<f64>,
    /// Applied encounters in the log.
    pub applied: u64,
    /// Their mean reward.
    pub mean_reward: Option<f64>,
    /// What always using this arm would have earned; null without an applied encounter of any arm.
    pub always: Option<OffPolicyEstimate>,
}

/// v2: the log behind the off-policy estimates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChoiceLog {
    /// Applied encounters read, newest first.
    pub encounters: u64,
    /// Those left out because propensity or reward is missing or out of range.
    pub unusable: u64,
    /// Whether older encounters exist that were not read.
    pub truncated: bool,
}

/// v2: what a policy would have earned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyReadout {
    /// Name.
    pub policy: String,
    /// Estimate; null without an applied encounter.
    pub estimate: Option<OffPolicyEstimate>,
}

/// v2: mean reward per decision, three ways.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OffPolicyEstimate {
    /// Inverse propensity scoring: unbiased, wide when weights are uneven.
    pub inverse_propensity: f64,
    /// Its standard error.
    pub inverse_propensity_error: Option<f64>,
    /// The same with weights normalised: always a possible reward; null when the policy never did what was logged.
    pub self_normalised: Option<f64>,
    /// Doubly robust.
    pub doubly_robust: f64,
    /// Its standard error.
    pub doubly_robust_error: Option<f64>,
    /// How many decisions the weights are worth.
    pub effective_decisions: f64,
    /// Largest weight.
    pub largest_weight: f64,
}
