//! The probability that an arm has the largest draw: true propensity of a Thompson choice.
//!
//! `P(k) = integral of f_k(t) * product over j != k of F_j(t) dt` over log-odds `t`, by Gauss-Legendre panels
//! between quantiles of all arms, so that every arm is resolved at its own scale. Error below 1e-6 (tested
//! against closed forms and seeded draws). Arms with equal posteriors are computed once.

use super::posterior::Posterior;
use crate::beta::{Beta, GAUSS_16, unit};
use crate::error::AnalyticsError;

/// Probabilities between which each arm is resolved; mirrored for the upper half. The mass outside is 2e-10.
const LEVELS: [f64; 10] = [1e-10, 1e-8, 1e-6, 1e-4, 2e-3, 0.02, 0.1, 0.25, 0.4, 0.5];

/// Which arm is best, over the posteriors.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Probability that each arm, in input order, has the largest reward rate; sums to 1.
    pub probability: Vec<f64>,
    /// Expected largest reward rate.
    pub expected_maximum: f64,
}

/// Arms that share one posterior.
struct Group {
    distribution: Beta,
    /// Their places in the input.
    members: Vec<usize>,
    /// Integral of one member being the largest.
    mass: f64,
}

/// Computes the probability of being best for every arm and the expected maximum.
///
/// Work grows with the square of the number of distinct posteriors. The order of the arms does not change a bit.
pub fn best_arm(posteriors: &[Posterior]) -> Result<Best, AnalyticsError> {
    let mut groups = group(posteriors)?;
    let expected_maximum = integrate(&mut groups);
    let total: f64 = groups.iter().map(|g| g.mass * g.members.len() as f64).sum();
    if total.is_nan() || total <= 0.0 {
        return Err(AnalyticsError::NoArms);
    }
    let mut probability = vec![0.0; posteriors.len()];
    for group in &groups {
        for &member in &group.members {
            if let Some(slot) = probability.get_mut(member) {
                *slot = (group.mass / total).clamp(0.0, 1.0);
            }
        }
    }
    Ok(Best {
        probability,
        expected_maximum: (expected_maximum / total).clamp(0.0, 1.0),
    })
}

/// Groups equal posteriors in ascending order of their parameters, whatever the order of the arms.
fn group(posteriors: &[Posterior]) -> Result<Vec<Group>, AnalyticsError> {
    let mut order: Vec<(usize, &Posterior)> = posteriors.iter().enumerate().collect();
    order.sort_by(|(_, x), (_, y)| {
        x.alpha()
            .total_cmp(&y.alpha())
            .then(x.beta().total_cmp(&y.beta()))
    });
    let mut groups: Vec<Group> = Vec::new();
    for (place, posterior) in order {
        let distribution = posterior
            .distribution()
            .ok_or(AnalyticsError::InvalidPosterior)?;
        match groups.last_mut() {
            Some(group) if group.distribution == distribution => group.members.push(place),
            _ => groups.push(Group {
                distribution,
                members: vec![place],
                mass: 0.0,
            }),
        }
    }
    Ok(groups)
}

/// Fills the masses and returns the integral of the maximum.
fn integrate(groups: &mut [Group]) -> f64 {
    let mut edges: Vec<f64> = groups
        .iter()
        .flat_map(|g| {
            LEVELS
                .iter()
                .flat_map(|&p| [p, 1.0 - p])
                .map(|p| g.distribution.log_odds_quantile(p))
        })
        .collect();
    edges.sort_by(f64::total_cmp);
    let mut maximum = 0.0;
    for pair in edges.windows(2) {
        let [from, to] = *pair else { continue };
        if to <= from {
            continue;
        }
        let (center, half) = (0.5 * (from + to), 0.5 * (to - from));
        for (node, weight) in GAUSS_16 {
            for t in [center - half * node, center + half * node] {
                maximum += unit(t) * add_node(groups, t, weight * half);
            }
        }
    }
    maximum
}

/// Adds one quadrature node to every group; returns the weighted density of the maximum there.
fn add_node(groups: &mut [Group], t: f64, weight: f64) -> f64 {
    let below: Vec<f64> = groups
        .iter()
        .map(|g| g.distribution.tails(t).lower)
        .collect();
    let all_below: Vec<f64> = groups
        .iter()
        .zip(&below)
        .map(|(g, f)| f.powf(g.members.len() as f64))
        .collect();
    // Products before and after each group, so that a zero never has to be divided away.
    let running = |product: &mut f64, factor: &f64| {
        let so_far = *product;
        *product *= factor;
        Some(so_far)
    };
    let before: Vec<f64> = all_below.iter().scan(1.0, running).collect();
    let mut after: Vec<f64> = all_below.iter().rev().scan(1.0, running).collect();
    after.reverse();
    let mut of_maximum = 0.0;
    for (((group, f), before), after) in groups.iter_mut().zip(below).zip(before).zip(after) {
        let members = group.members.len() as f64;
        let part = weight
            * group.distribution.log_odds_density(t)
            * before
            * f.powf(members - 1.0)
            * after;
        group.mass += part;
        of_maximum += part * members;
    }
    of_maximum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bandit::choose;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn of(list: &[(f64, f64)]) -> Best {
        let posteriors: Vec<Posterior> = list
            .iter()
            .map(|&(a, b)| Posterior::new(a, b).unwrap())
            .collect();
        best_arm(&posteriors).unwrap()
    }

    /// P(X > Y) for integer alpha of X, a finite sum of Beta functions.
    fn wins(x: (u32, f64), y: (f64, f64)) -> f64 {
        let ln_beta = |a: f64, b: f64| {
            let ln_factorial_like = |z: f64| {
                let (mut z, mut less) = (z, 0.0);
                while z < 20.0 {
                    less += z.ln();
                    z += 1.0;
                }
                (z - 0.5) * z.ln() - z + 0.918_938_533_204_672_7 + 1.0 / (12.0 * z)
                    - 1.0 / (360.0 * z.powi(3))
                    + 1.0 / (1260.0 * z.powi(5))
                    - less
            };
            ln_factorial_like(a) + ln_factorial_like(b) - ln_factorial_like(a + b)
        };
        (0..x.0)
            .map(|i| {
                let i = f64::from(i);
                (ln_beta(y.0 + i, x.1 + y.1)
                    - (x.1 + i).ln()
                    - ln_beta(1.0 + i, x.1)
                    - ln_beta(y.0, y.1))
                .exp()
            })
            .sum()
    }

    #[test]
    fn two_arms_match_the_closed_form() {
        for (x, y) in [
            ((3, 4.0), (2.5, 7.0)),
            ((40, 60.0), (45.0, 55.0)),
            ((1, 1.0), (1.0, 1.0)),
            ((2, 0.5), (500.0, 300.0)),
            ((900, 100.0), (0.3, 0.2)),
        ] {
            let best = of(&[(f64::from(x.0), x.1), y]);
            assert!(
                (best.probability[0] - wins(x, y)).abs() < 1e-7,
                "{x:?} {y:?} {best:?} {}",
                wins(x, y)
            );
        }
    }

    #[test]
    fn equal_arms_share_alike_at_every_scale() {
        for (a, b) in [
            (1e-6, 1e-6),
            (0.01, 3.0),
            (1.0, 1.0),
            (50.0, 3.0),
            (4e3, 9e5),
            (1e9, 1e9),
        ] {
            for n in [1_usize, 2, 7] {
                for p in of(&vec![(a, b); n]).probability {
                    assert!((p - 1.0 / n as f64).abs() < 1e-12);
                }
                // Nearly equal arms are computed one by one and must agree.
                let near: Vec<(f64, f64)> =
                    (0..n).map(|k| (a * (1.0 + k as f64 * 1e-12), b)).collect();
                for p in of(&near).probability {
                    assert!((p - 1.0 / n as f64).abs() < 1e-6, "{a} {b} {n} {p}");
                }
            }
        }
    }

    #[test]
    fn a_needle_beside_a_wide_arm_is_resolved() {
        // Beta(1e10, 1e10) is the number 1/2 for a uniform arm.
        let best = of(&[(1e10, 1e10), (1.0, 1.0)]);
        assert!((best.probability[1] - 0.5).abs() < 1e-6);
        let best = of(&[(1e10, 1e10), (1.0, 1.0), (1.0, 1.0)]);
        assert!((best.probability[0] - 0.25).abs() < 1e-6);
        assert!((best.expected_maximum - (0.25 * 0.5 + 2.0 * (1.0 - 0.125) / 3.0)).abs() < 1e-6);
    }

    #[test]
    fn maximum_of_uniforms_is_known() {
        let best = of(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]);
        assert!((best.expected_maximum - 0.75).abs() < 1e-9);
    }

    #[test]
    fn seeded_draws_choose_with_the_computed_frequency() {
        let list = [("a", 3.0, 5.0), ("b", 8.0, 9.0), ("c", 1.0, 1.0)];
        let arms: BTreeMap<String, Posterior> = list
            .iter()
            .map(|&(id, a, b)| (id.to_owned(), Posterior::new(a, b).unwrap()))
            .collect();
        let best = of(&list.map(|(_, a, b)| (a, b)));
        let draws = 20_000_u64;
        let mut count = BTreeMap::new();
        for seed in 0..draws {
            *count
                .entry(choose(seed, &arms).unwrap().arm_id)
                .or_insert(0_u32) += 1;
        }
        for (index, (id, _, _)) in list.iter().enumerate() {
            let share = f64::from(count[*id]) / draws as f64;
            assert!(
                (share - best.probability[index]).abs() < 0.015,
                "{id}: {share} against {best:?}"
            );
        }
    }

    #[test]
    fn none_is_an_error() {
        assert_eq!(best_arm(&[]), Err(AnalyticsError::NoArms));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_distribution_that_follows_its_arms(list in prop::collection::vec((0.02_f64..300.0, 0.02_f64..300.0), 1..6), turn in 0_usize..6) {
            let best = of(&list);
            prop_assert!((best.probability.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!(best.probability.iter().all(|p| (0.0..=1.0).contains(p)));
            let top = list.iter().map(|(a, b)| a / (a + b)).fold(0.0, f64::max);
            prop_assert!(best.expected_maximum >= top - 1e-6 && best.expected_maximum <= 1.0);
            let mut turned = list.clone();
            turned.rotate_left(turn % list.len());
            let mut expected = best.probability.clone();
            expected.rotate_left(turn % list.len());
            prop_assert_eq!(of(&turned).probability, expected);
        }
    }
}
