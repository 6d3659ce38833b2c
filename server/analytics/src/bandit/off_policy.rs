//! What another policy would have earned on the recorded decisions.
//!
//! Inverse propensity scoring weighs each reward by `pi(a) / p(a)`; the doubly robust form adds a model of the
//! mean reward and weighs only its error (Dudik, Langford and Li 2011).

use std::collections::BTreeMap;

use crate::error::AnalyticsError;

/// One recorded decision that was followed by an applied reward.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedChoice {
    /// Arm that was shown.
    pub arm_id: String,
    /// Probability with which it had been chosen, in (0, 1].
    pub propensity: f64,
    /// Reward in [0, 1].
    pub reward: f64,
}

/// A mean with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Estimated mean reward per decision.
    pub mean: f64,
    /// Standard error, `None` below two decisions.
    pub standard_error: Option<f64>,
}

/// Off-policy estimates of one target policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OffPolicy {
    /// Unbiased, wide when weights are uneven.
    pub inverse_propensity: Estimate,
    /// Weights normalised by their sum: slightly biased, always inside the range of rewards; `None` if all are 0.
    pub self_normalised: Option<f64>,
    /// Narrow when the reward model is good, unbiased even when it is not.
    pub doubly_robust: Estimate,
    /// `(sum w)^2 / sum w^2`: how many decisions the weights are worth.
    pub effective_decisions: f64,
    /// Largest weight.
    pub largest_weight: f64,
    /// Decisions used.
    pub used: usize,
    /// Decisions left out because propensity or reward was out of range.
    pub dropped: usize,
}

/// Mean recorded reward of each arm: the plain reward model. Broken records are left out.
pub fn mean_reward_by_arm(log: &[LoggedChoice]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for entry in log.iter().filter(|e| is_usable(e)) {
        let sum = sums.entry(entry.arm_id.clone()).or_default();
        sum.0 += entry.reward;
        sum.1 += 1.0;
    }
    sums.into_iter()
        .map(|(arm, (sum, count))| (arm, sum / count))
        .collect()
}

/// Estimates the mean reward of `target` (probability by arm) from the log.
///
/// `model` gives the expected reward by arm; an arm it does not know counts as 0.5. An arm the target does not
/// know has probability 0 there. `None` when no usable decision is left.
pub fn evaluate_policy(
    log: &[LoggedChoice],
    target: &BTreeMap<String, f64>,
    model: &BTreeMap<String, f64>,
) -> Result<Option<OffPolicy>, AnalyticsError> {
    let total: f64 = target.values().sum();
    if !target.values().all(|p| p.is_finite() && *p >= 0.0) || (total - 1.0).abs() > 1e-6 {
        return Err(AnalyticsError::NotADistribution);
    }
    if model.values().any(|r| !r.is_finite()) {
        return Err(AnalyticsError::NotFinite {
            what: "reward model",
        });
    }
    let expected = |arm: &str| model.get(arm).copied().unwrap_or(0.5);
    let direct: f64 = target.iter().map(|(arm, p)| p * expected(arm)).sum();
    let used: Vec<&LoggedChoice> = log.iter().filter(|e| is_usable(e)).collect();
    if used.is_empty() {
        return Ok(None);
    }
    let weights: Vec<f64> = used
        .iter()
        .map(|e| target.get(&e.arm_id).copied().unwrap_or(0.0) / e.propensity)
        .collect();
    let weighted: Vec<f64> = used
        .iter()
        .zip(&weights)
        .map(|(e, w)| w * e.reward)
        .collect();
    let robust: Vec<f64> = used
        .iter()
        .zip(&weights)
        .map(|(e, w)| direct + w * (e.reward - expected(&e.arm_id)))
        .collect();
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    Ok(Some(OffPolicy {
        inverse_propensity: estimate(&weighted),
        self_normalised: (sum > 0.0).then(|| weighted.iter().sum::<f64>() / sum),
        doubly_robust: estimate(&robust),
        effective_decisions: if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        },
        largest_weight: weights.iter().copied().fold(0.0, f64::max),
        used: used.len(),
        dropped: log.len() - used.len(),
    }))
}

/// A propensity too small to divide by would give an infinite weight: such a record is broken, not precious.
fn is_usable(entry: &LoggedChoice) -> bool {
    (1e-9..=1.0).contains(&entry.propensity) && (0.0..=1.0).contains(&entry.reward)
}

fn estimate(values: &[f64]) -> Estimate {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let spread: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let standard_error = (values.len() > 1).then(|| (spread / (count - 1.0) / count).sqrt());
    Estimate {
        mean,
        standard_error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(arm: &str, propensity: f64, reward: f64) -> LoggedChoice {
        LoggedChoice {
            arm_id: arm.to_owned(),
            propensity,
            reward,
        }
    }

    fn policy(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
        list.iter().map(|&(arm, p)| (arm.to_owned(), p)).collect()
    }

    #[test]
    fn the_logging_policy_itself_earns_the_recorded_mean() {
        let log = [
            entry("a", 0.5, 0.2),
            entry("b", 0.5, 0.6),
            entry("a", 0.5, 0.4),
            entry("b", 0.5, 0.8),
        ];
        let out = evaluate_policy(
            &log,
            &policy(&[("a", 0.5), ("b", 0.5)]),
            &mean_reward_by_arm(&log),
        )
        .unwrap()
        .unwrap();
        assert!((out.inverse_propensity.mean - 0.5).abs() < 1e-12);
        assert!((out.doubly_robust.mean - 0.5).abs() < 1e-12);
        assert!((out.effective_decisions - 4.0).abs() < 1e-12);
    }

    #[test]
    fn another_policy_is_reweighted() {
        let log = [
            entry("a", 0.8, 0.2),
            entry("a", 0.8, 0.2),
            entry("a", 0.8, 0.2),
            entry("a", 0.8, 0.2),
            entry("b", 0.2, 0.9),
        ];
        let out = evaluate_policy(&log, &policy(&[("b", 1.0)]), &mean_reward_by_arm(&log))
            .unwrap()
            .unwrap();
        assert!((out.inverse_propensity.mean - 0.9).abs() < 1e-12);
        assert_eq!(out.self_normalised.map(|v| (v * 10.0).round()), Some(9.0));
        assert!((out.doubly_robust.mean - 0.9).abs() < 1e-12);
        assert!((out.effective_decisions - 1.0).abs() < 1e-12);
    }

    #[test]
    fn broken_records_are_dropped_and_counted() {
        let log = [
            entry("a", 0.0, 0.2),
            entry("a", f64::NAN, 0.2),
            entry("a", 0.5, f64::INFINITY),
            entry("a", 1.0, 0.3),
        ];
        let out = evaluate_policy(&log, &policy(&[("a", 1.0)]), &BTreeMap::new())
            .unwrap()
            .unwrap();
        assert_eq!((out.used, out.dropped), (1, 3));
        assert_eq!(out.doubly_robust.standard_error, None);
        assert_eq!(
            evaluate_policy(&log[..3], &policy(&[("a", 1.0)]), &BTreeMap::new()),
            Ok(None)
        );
        assert_eq!(
            evaluate_policy(&log, &policy(&[("a", 0.4)]), &BTreeMap::new()),
            Err(AnalyticsError::NotADistribution)
        );
        let model = policy(&[("a", f64::NAN)]);
        assert_eq!(
            evaluate_policy(&log, &policy(&[("a", 1.0)]), &model)
                .unwrap_err()
                .code(),
            "non_finite"
        );
    }

    proptest! {
        #[test]
        fn no_nan_leaves(raw in prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY, 0_u8..3), 0..30)) {
            let log: Vec<LoggedChoice> = raw.iter().map(|&(p, r, arm)| entry(&arm.to_string(), p, r)).collect();
            let target = policy(&[("0", 0.25), ("1", 0.75)]);
            if let Some(out) = evaluate_policy(&log, &target, &mean_reward_by_arm(&log)).unwrap() {
                prop_assert!(out.inverse_propensity.mean.is_finite() && out.doubly_robust.mean.is_finite());
                prop_assert!(out.self_normalised.is_none_or(|v| (0.0..=1.0 + 1e-9).contains(&v)));
            }
        }
    }
}
