//! One draw per arm and the largest wins (math 7.5 and 7.6).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::posterior::Posterior;
use super::seed::first_eight_bytes;
use crate::error::AnalyticsError;

/// Outcome of one drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Arm with the largest draw; the smallest id wins a tie.
    pub arm_id: String,
    /// The arm that came second and its draw, absent with one arm.
    pub runner_up: Option<(String, f64)>,
    /// Draw of every arm.
    pub theta_by_arm: BTreeMap<String, f64>,
}

/// The uniform number of an arm under a seed, in (0, 1].
///
/// It depends on nothing but seed and arm id, so order and company of the arms do not matter.
pub fn draw_uniform(seed: u64, arm_id: &str) -> f64 {
    let mut hasher = Sha256::new();
    hasher.update(b"lsie-ts-draw-v2\0");
    hasher.update(seed.to_be_bytes());
    hasher.update([0]);
    hasher.update(arm_id.as_bytes());
    let bits = first_eight_bytes(&hasher.finalize()) >> 11;
    bits as f64 / 2f64.powi(53) + 2f64.powi(-54)
}

/// The draw of an arm: its posterior's quantile at [`draw_uniform`].
pub fn draw(seed: u64, arm_id: &str, posterior: Posterior) -> f64 {
    posterior.quantile(draw_uniform(seed, arm_id))
}

/// Draws once for every arm and takes the largest.
pub fn choose(
    seed: u64,
    posterior_by_arm: &BTreeMap<String, Posterior>,
) -> Result<Choice, AnalyticsError> {
    let theta_by_arm: BTreeMap<String, f64> = posterior_by_arm
        .iter()
        .map(|(arm, posterior)| (arm.clone(), draw(seed, arm, *posterior)))
        .collect();
    let mut ranked: Vec<(&String, f64)> = theta_by_arm
        .iter()
        .map(|(arm, theta)| (arm, *theta))
        .collect();
    // The map yields ascending ids and the sort is stable: equal draws keep the smaller id in front.
    ranked.sort_by(|x, y| y.1.total_cmp(&x.1));
    let arm_id = ranked
        .first()
        .map(|(arm, _)| (*arm).clone())
        .ok_or(AnalyticsError::NoArms)?;
    let runner_up = ranked.get(1).map(|(arm, theta)| ((*arm).clone(), *theta));
    Ok(Choice {
        arm_id,
        runner_up,
        theta_by_arm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arms(list: &[(&str, f64, f64)]) -> BTreeMap<String, Posterior> {
        list.iter()
            .map(|&(id, a, b)| (id.to_owned(), Posterior::new(a, b).unwrap()))
            .collect()
    }

    #[test]
    fn no_arms_is_an_error() {
        assert_eq!(choose(1, &BTreeMap::new()).unwrap_err().code(), "no_arms");
    }

    #[test]
    fn ties_go_to_the_smallest_id() {
        // Both draws underflow to exactly 0.
        let choice = choose(7, &arms(&[("b", 1e-300, 1e300), ("a", 1e-300, 1e300)])).unwrap();
        assert_eq!(
            (choice.arm_id.as_str(), choice.runner_up),
            ("a", Some(("b".to_owned(), 0.0)))
        );
    }

    proptest! {
        #[test]
        fn a_draw_ignores_the_other_arms(seed in any::<u64>(), a in 0.01_f64..1e4, b in 0.01_f64..1e4) {
            let alone = choose(seed, &arms(&[("m", a, b)])).unwrap();
            let company = choose(seed, &arms(&[("z", 1.0, 1.0), ("m", a, b), ("a", b, a)])).unwrap();
            prop_assert_eq!(alone.theta_by_arm["m"].to_bits(), company.theta_by_arm["m"].to_bits());
            prop_assert!(company.theta_by_arm.values().all(|t| (0.0..=1.0).contains(t)));
            let best = company.theta_by_arm.values().copied().fold(0.0, f64::max);
            prop_assert_eq!(company.theta_by_arm[&company.arm_id], best);
        }

        #[test]
        fn uniforms_stay_in_range(seed in any::<u64>(), arm in ".*") {
            let u = draw_uniform(seed, &arm);
            prop_assert!(u > 0.0 && u <= 1.0);
        }
    }
}
