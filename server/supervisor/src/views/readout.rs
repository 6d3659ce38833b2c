//! What an operator may expect of the arms, and what other policies would have earned on the stored log (math 7).

use std::collections::BTreeMap;

use lsie_analytics::AnalyticsError;
use lsie_analytics::bandit::{
    LoggedChoice, OffPolicy, Posterior, evaluate_policy, mean_reward_by_arm, read_out,
};
use lsie_schemas::api::{
    ArmReadout, ChoiceLog, ExperimentReadout, OffPolicyEstimate, PolicyReadout,
};
use lsie_schemas::time::UtcMicros;
use lsie_store::rows::{ArmRow, ExperimentDetailRow, LoggedChoiceRow};

use crate::snapshot::Snapshot;

/// Encounters the estimates look back over: years of one experiment.
pub(super) const LOG_LIMIT: u32 = 10_000;
const INTERVAL_MASS: f64 = 0.95;

/// Probability by arm.
type Policy = BTreeMap<String, f64>;

/// Judges the arms and policies; `log` holds at most one encounter more than [`LOG_LIMIT`], newest first.
pub(super) fn view(
    row: ExperimentDetailRow,
    mut log: Vec<LoggedChoiceRow>,
    snapshot: &Snapshot,
    now: UtcMicros,
) -> Result<ExperimentReadout, AnalyticsError> {
    let truncated = log.len() > LOG_LIMIT as usize;
    log.truncate(LOG_LIMIT as usize);
    let read = log.len();
    let log: Vec<LoggedChoice> = log.into_iter().filter_map(choice).collect();
    let model = mean_reward_by_arm(&log);
    let candidates = candidates(&row.arms)?;
    let judged = match candidates.as_slice() {
        [] => Vec::new(),
        some => read_out(some)?,
    };
    let thompson: Policy = judged
        .iter()
        .map(|arm| (arm.arm_id.clone(), arm.probability_best))
        .collect();
    let best: BTreeMap<&str, (f64, f64)> = judged
        .iter()
        .map(|arm| {
            (
                arm.arm_id.as_str(),
                (arm.probability_best, arm.expected_loss),
            )
        })
        .collect();
    let mut arms = Vec::with_capacity(row.arms.len());
    for arm in &row.arms {
        let always = Policy::from([(arm.arm.clone(), 1.0)]);
        let always = estimate(&log, &always, &model)?;
        arms.push(arm_view(arm, best.get(arm.arm.as_str()), &log, always)?);
    }
    let usable = estimate(&log, &uniform(&candidates), &model)?;
    let policies = vec![
        policy("as_run", as_run(&log)),
        policy("thompson_now", estimate(&log, &thompson, &model)?),
        policy("uniform", usable),
    ];
    let used = log.iter().filter(|entry| is_usable(entry)).count();
    Ok(ExperimentReadout {
        active_arm_id: super::experiment::active_arm(&row.experiment.experiment_id, snapshot)
            .or(row.experiment.active_arm),
        experiment_id: row.experiment.experiment_id,
        label: row.experiment.label,
        generated_at_utc: now,
        interval_mass: INTERVAL_MASS,
        arms,
        log: ChoiceLog {
            encounters: read as u64,
            unusable: (read - used) as u64,
            truncated,
        },
        policies,
    })
}

/// An encounter from before propensities were stored has none and is left out.
fn choice(row: LoggedChoiceRow) -> Option<LoggedChoice> {
    Some(LoggedChoice {
        arm_id: row.arm,
        propensity: row.propensity?,
        reward: row.reward?,
    })
}

fn is_usable(entry: &LoggedChoice) -> bool {
    (1e-9..=1.0).contains(&entry.propensity) && (0.0..=1.0).contains(&entry.reward)
}

fn candidates(arms: &[ArmRow]) -> Result<Vec<(String, Posterior)>, AnalyticsError> {
    arms.iter()
        .filter(|arm| arm.enabled && arm.end_dated_at.is_none())
        .map(|arm| Ok((arm.arm.clone(), posterior(arm)?)))
        .collect()
}

fn posterior(arm: &ArmRow) -> Result<Posterior, AnalyticsError> {
    Posterior::new(arm.posterior.alpha, arm.posterior.beta)
}

fn uniform(candidates: &[(String, Posterior)]) -> Policy {
    let share = 1.0 / candidates.len().max(1) as f64;
    candidates
        .iter()
        .map(|(arm, _)| (arm.clone(), share))
        .collect()
}

/// `None` without a usable encounter, or for a policy without an arm.
fn estimate(
    log: &[LoggedChoice],
    policy: &Policy,
    model: &BTreeMap<String, f64>,
) -> Result<Option<OffPolicyEstimate>, AnalyticsError> {
    if policy.is_empty() {
        return Ok(None);
    }
    Ok(evaluate_policy(log, policy, model)?.map(numbers))
}

fn numbers(found: OffPolicy) -> OffPolicyEstimate {
    OffPolicyEstimate {
        inverse_propensity: found.inverse_propensity.mean,
        inverse_propensity_error: found.inverse_propensity.standard_error,
        self_normalised: found.self_normalised,
        doubly_robust: found.doubly_robust.mean,
        doubly_robust_error: found.doubly_robust.standard_error,
        effective_decisions: found.effective_decisions,
        largest_weight: found.largest_weight,
    }
}

/// What was really earned: every weight is one.
fn as_run(log: &[LoggedChoice]) -> Option<OffPolicyEstimate> {
    let same = |entry: &LoggedChoice| LoggedChoice {
        arm_id: String::new(),
        propensity: 1.0,
        reward: entry.reward,
    };
    let log: Vec<LoggedChoice> = log.iter().filter(|e| is_usable(e)).map(same).collect();
    let always = Policy::from([(String::new(), 1.0)]);
    estimate(&log, &always, &mean_reward_by_arm(&log))
        .ok()
        .flatten()
}

fn policy(name: &str, estimate: Option<OffPolicyEstimate>) -> PolicyReadout {
    PolicyReadout {
        policy: name.to_owned(),
        estimate,
    }
}

fn arm_view(
    row: &ArmRow,
    best: Option<&(f64, f64)>,
    log: &[LoggedChoice],
    always: Option<OffPolicyEstimate>,
) -> Result<ArmReadout, AnalyticsError> {
    let posterior = posterior(row)?;
    let (interval_low, interval_high) = posterior.credible_interval(INTERVAL_MASS);
    let rewards: Vec<f64> = log
        .iter()
        .filter(|entry| entry.arm_id == row.arm && is_usable(entry))
        .map(|entry| entry.reward)
        .collect();
    let mean_reward =
        (!rewards.is_empty()).then(|| rewards.iter().sum::<f64>() / rewards.len() as f64);
    Ok(ArmReadout {
        arm_id: row.arm.clone(),
        enabled: row.enabled && row.end_dated_at.is_none(),
        posterior_alpha: posterior.alpha(),
        posterior_beta: posterior.beta(),
        mean: posterior.mean(),
        interval_low,
        interval_high,
        floor: posterior.quantile(1.0 - INTERVAL_MASS),
        probability_best: best.map(|(probability, _)| *probability),
        expected_loss: best.map(|(_, loss)| *loss),
        applied: rewards.len() as u64,
        mean_reward,
        always,
    })
}
