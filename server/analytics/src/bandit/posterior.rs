//! One arm's posterior (math 7.1).

use crate::beta::Beta;
use crate::error::AnalyticsError;

/// Beta posterior of an arm. Both parameters are positive and finite; prior Beta(1, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    alpha: f64,
    beta: f64,
}

impl Posterior {
    /// The prior of an arm nobody tried.
    pub const PRIOR: Self = Self {
        alpha: 1.0,
        beta: 1.0,
    };

    /// Takes stored parameters; refuses what is not positive and finite.
    pub fn new(alpha: f64, beta: f64) -> Result<Self, AnalyticsError> {
        Beta::new(alpha, beta)
            .map(|_| Self { alpha, beta })
            .ok_or(AnalyticsError::InvalidPosterior)
    }

    /// Pseudo-count of success.
    pub fn alpha(self) -> f64 {
        self.alpha
    }

    /// Pseudo-count of failure.
    pub fn beta(self) -> f64 {
        self.beta
    }

    /// The posterior after a reward in [0, 1]: `alpha + r`, `beta + 1 - r`.
    ///
    /// A reward that is NaN or outside the range is refused and nothing changes.
    pub fn updated(self, reward: f64) -> Result<Self, AnalyticsError> {
        if !(0.0..=1.0).contains(&reward) {
            return Err(AnalyticsError::RewardOutOfRange);
        }
        Self::new(self.alpha + reward, self.beta + (1.0 - reward))
    }

    /// `alpha / (alpha + beta)`.
    pub fn mean(self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// `alpha beta / ((alpha + beta)^2 (alpha + beta + 1))`, also the arm's evaluation variance (math 14).
    pub fn variance(self) -> f64 {
        let sum = self.alpha + self.beta;
        (self.alpha / sum) * (self.beta / sum) / (sum + 1.0)
    }

    /// Quantile of the reward rate at probability `u`.
    pub fn quantile(self, u: f64) -> f64 {
        self.distribution()
            .map_or_else(|| self.mean(), |d| d.quantile(u))
    }

    /// Central credible interval that holds `mass` (clamped to [0, 1]) of the posterior.
    pub fn credible_interval(self, mass: f64) -> (f64, f64) {
        let tail = 0.5 * (1.0 - crate::statistics::clamp01(mass));
        (self.quantile(tail), self.quantile(1.0 - tail))
    }

    /// The distribution; `None` is unreachable because `new` checked the parameters.
    pub(crate) fn distribution(self) -> Option<Beta> {
        Beta::new(self.alpha, self.beta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refused_reward_names_its_code() {
        for r in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -1e-12,
            1.0000001,
        ] {
            assert_eq!(
                Posterior::PRIOR.updated(r).unwrap_err().code(),
                "reward_out_of_range"
            );
        }
    }

    #[test]
    fn broken_parameters_are_refused() {
        for (a, b) in [
            (0.0, 1.0),
            (1.0, f64::NAN),
            (-1.0, 1.0),
            (1.0, f64::INFINITY),
        ] {
            assert_eq!(Posterior::new(a, b), Err(AnalyticsError::InvalidPosterior));
        }
    }

    #[test]
    fn interval_of_the_prior() {
        let (low, high) = Posterior::PRIOR.credible_interval(0.9);
        assert!((low - 0.05).abs() < 1e-12 && (high - 0.95).abs() < 1e-12);
        let (low, high) = Posterior::PRIOR.credible_interval(f64::NAN);
        assert!(low <= high);
    }

    proptest! {
        #[test]
        fn every_accepted_reward_adds_exactly_one_of_mass(rewards in prop::collection::vec(0.0_f64..=1.0, 0..200)) {
            let mut posterior = Posterior::PRIOR;
            for r in &rewards {
                posterior = posterior.updated(*r).unwrap();
            }
            let mass = posterior.alpha() + posterior.beta();
            prop_assert!((mass - 2.0 - rewards.len() as f64).abs() < 1e-9);
            prop_assert!(posterior.mean() > 0.0 && posterior.mean() < 1.0 && posterior.variance() > 0.0);
        }

        #[test]
        fn any_number_is_either_refused_or_keeps_the_invariants(r in prop::num::f64::ANY, a in 1e-3_f64..1e6, b in 1e-3_f64..1e6) {
            let before = Posterior::new(a, b).unwrap();
            match before.updated(r) {
                Ok(after) => prop_assert!((0.0..=1.0).contains(&r) && after.alpha() >= a && after.beta() >= b),
                Err(e) => prop_assert!(e == AnalyticsError::RewardOutOfRange && !(0.0..=1.0).contains(&r)),
            }
        }
    }
}
