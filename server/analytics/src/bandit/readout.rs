//! What an operator wants to know about the arms before trusting a choice.

use super::best::best_arm;
use super::posterior::Posterior;
use crate::error::AnalyticsError;

/// Share of the posterior inside the shown interval.
const INTERVAL_MASS: f64 = 0.95;

/// Read-out of one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmReadout {
    /// Arm.
    pub arm_id: String,
    /// Its posterior.
    pub posterior: Posterior,
    /// Central 95 % credible interval of the reward rate.
    pub interval: (f64, f64),
    /// One-sided floor: with 95 % probability the reward rate is at least this.
    pub floor: f64,
    /// Probability that this arm is the best one, which is its propensity under Thompson sampling.
    pub probability_best: f64,
    /// Expected loss of reward per use if this arm were fixed for good.
    pub expected_loss: f64,
}

/// Reads out every arm in the order given; arm ids must differ.
pub fn read_out(arms: &[(String, Posterior)]) -> Result<Vec<ArmReadout>, AnalyticsError> {
    for (index, (arm_id, _)) in arms.iter().enumerate() {
        if arms
            .iter()
            .skip(index + 1)
            .any(|(other, _)| other == arm_id)
        {
            return Err(AnalyticsError::DuplicateArm);
        }
    }
    let posteriors: Vec<Posterior> = arms.iter().map(|(_, posterior)| *posterior).collect();
    let best = best_arm(&posteriors)?;
    Ok(arms
        .iter()
        .zip(best.probability)
        .map(|((arm_id, posterior), probability_best)| ArmReadout {
            arm_id: arm_id.clone(),
            posterior: *posterior,
            interval: posterior.credible_interval(INTERVAL_MASS),
            floor: posterior.quantile(1.0 - INTERVAL_MASS),
            probability_best,
            expected_loss: (best.expected_maximum - posterior.mean()).max(0.0),
        })
        .collect())
}

/// Mixes a floor into a distribution: `floor + (1 - n floor) p`, so that every arm keeps at least `floor`.
///
/// The floor must lie in [0, 1/n]; the probabilities must be non-negative and sum to one within 1e-6.
/// Off-policy weights under such a policy never exceed `1 / floor`.
pub fn with_floor(probabilities: &[f64], floor: f64) -> Result<Vec<f64>, AnalyticsError> {
    let sum: f64 = probabilities.iter().sum();
    let usable =
        probabilities.iter().all(|p| p.is_finite() && *p >= 0.0) && (sum - 1.0).abs() <= 1e-6;
    if !usable {
        return Err(AnalyticsError::NotADistribution);
    }
    let spread = floor * probabilities.len() as f64;
    if !(floor >= 0.0 && spread <= 1.0) {
        return Err(AnalyticsError::FloorOutOfRange);
    }
    Ok(probabilities
        .iter()
        .map(|p| floor + (1.0 - spread) * p / sum)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(id: &str, a: f64, b: f64) -> (String, Posterior) {
        (id.to_owned(), Posterior::new(a, b).unwrap())
    }

    #[test]
    fn the_better_arm_loses_less() {
        let out = read_out(&[arm("ask", 30.0, 10.0), arm("wave", 10.0, 30.0)]).unwrap();
        assert!(out[0].probability_best > 0.999 && out[0].expected_loss < out[1].expected_loss);
        for o in out {
            let mean = o.posterior.mean();
            assert!(o.interval.0 < o.floor && o.floor < mean && mean < o.interval.1);
            assert!(o.expected_loss >= 0.0);
        }
    }

    #[test]
    fn a_single_arm_cannot_lose() {
        let out = read_out(&[arm("ask", 2.0, 3.0)]).unwrap();
        assert!((out[0].probability_best - 1.0).abs() < 1e-12 && out[0].expected_loss < 1e-8);
    }

    #[test]
    fn duplicates_and_emptiness_are_refused() {
        assert_eq!(
            read_out(&[arm("a", 1.0, 1.0), arm("a", 2.0, 1.0)]),
            Err(AnalyticsError::DuplicateArm)
        );
        assert_eq!(read_out(&[]), Err(AnalyticsError::NoArms));
    }

    #[test]
    fn every_arm_keeps_its_floor() {
        let mixed = with_floor(&[1.0, 0.0, 0.0], 0.05).unwrap();
        assert!((mixed.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(mixed.iter().all(|p| *p >= 0.05));
        assert_eq!(
            with_floor(&[0.5, 0.5], 0.6),
            Err(AnalyticsError::FloorOutOfRange)
        );
        assert_eq!(
            with_floor(&[0.5, 0.5], f64::NAN),
            Err(AnalyticsError::FloorOutOfRange)
        );
        assert_eq!(
            with_floor(&[0.5, f64::NAN], 0.0),
            Err(AnalyticsError::NotADistribution)
        );
        assert_eq!(with_floor(&[], 0.0), Err(AnalyticsError::NotADistribution));
    }
}
