//! Replaying a stored decision: does the record follow from its own numbers?

use std::collections::BTreeMap;

use lsie_schemas::contract::BanditDecisionSnapshot;
use thiserror::Error;

use super::best::best_arm;
use super::choice::choose;
use super::decision::{DecisionContext, context_hash};
use super::posterior::Posterior;
use super::seed::{POLICY_LEGACY, POLICY_V2, legacy_seed, seed};

/// Accepted difference of a draw computed on another machine (math 7.5).
const THETA_TOLERANCE: f64 = 1e-7;

/// What a replay confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Whether the draws were computed again; earlier policies are only checked for consistency.
    pub draws_recomputed: bool,
    /// Whether every draw agreed in every bit.
    pub is_bit_exact: bool,
    /// Probability with which the stored arm had been chosen.
    pub propensity: f64,
}

/// The first thing in which a record contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// No rule is known for this policy.
    #[error("unknown policy")]
    Policy,
    /// The row id is not the one of the context.
    #[error("the record belongs to another experiment")]
    Experiment,
    /// Candidates repeat, or differ from the arms with a posterior.
    #[error("candidates and posteriors differ")]
    Candidates,
    /// A posterior is not positive and finite.
    #[error("the posterior of {0} is unusable")]
    Posterior(String),
    /// The seed does not follow from the context.
    #[error("the seed does not follow from the context")]
    Seed,
    /// A draw differs by more than 1e-7, or is missing.
    #[error("the draw of {0} differs")]
    Draw(String),
    /// Another arm has the largest draw.
    #[error("another arm has the largest draw")]
    Selection,
    /// The context hash does not follow from the record.
    #[error("the context hash differs")]
    Hash,
}

/// Checks a stored decision against the context it was made in.
pub fn verify_decision(
    snapshot: &BanditDecisionSnapshot,
    context: &DecisionContext<'_>,
) -> Result<Replay, Mismatch> {
    if snapshot.experiment_id != context.experiment_row_id {
        return Err(Mismatch::Experiment);
    }
    let posteriors = posteriors(snapshot)?;
    let (session, start, stimulus) = (
        &context.session_id,
        context.window_start_utc,
        context.stimulus_time_secs,
    );
    let draws_recomputed = match snapshot.policy_version.as_str() {
        POLICY_V2 => true,
        POLICY_LEGACY => false,
        _ => return Err(Mismatch::Policy),
    };
    let expected_seed = if draws_recomputed {
        seed(session, start, stimulus, context.experiment_code, POLICY_V2)
            .map_err(|_| Mismatch::Seed)?
    } else {
        legacy_seed(session, start, stimulus, POLICY_LEGACY)
    };
    if snapshot.random_seed != expected_seed {
        return Err(Mismatch::Seed);
    }
    let is_bit_exact = if draws_recomputed {
        compare_draws(snapshot, &posteriors)?
    } else {
        false
    };
    if largest_draw(&snapshot.sampled_theta_by_arm) != Some(snapshot.selected_arm_id.as_str()) {
        return Err(Mismatch::Selection);
    }
    let hash = context_hash(
        context.experiment_code,
        context.experiment_row_id,
        &snapshot.candidate_arm_ids,
        &snapshot.posterior_by_arm,
        &snapshot.selected_arm_id,
        &snapshot.policy_version,
    );
    if hash != snapshot.decision_context_hash {
        return Err(Mismatch::Hash);
    }
    let in_order: Vec<Posterior> = posteriors.values().copied().collect();
    let place = posteriors
        .keys()
        .position(|arm| *arm == snapshot.selected_arm_id)
        .ok_or(Mismatch::Selection)?;
    let best = best_arm(&in_order).map_err(|_| Mismatch::Candidates)?;
    let propensity = best
        .probability
        .get(place)
        .copied()
        .ok_or(Mismatch::Selection)?;
    Ok(Replay {
        draws_recomputed,
        is_bit_exact,
        propensity,
    })
}

fn posteriors(snapshot: &BanditDecisionSnapshot) -> Result<BTreeMap<String, Posterior>, Mismatch> {
    let mut candidates: Vec<&String> = snapshot.candidate_arm_ids.iter().collect();
    candidates.sort();
    if !candidates
        .iter()
        .copied()
        .eq(snapshot.posterior_by_arm.keys())
    {
        return Err(Mismatch::Candidates);
    }
    snapshot
        .posterior_by_arm
        .iter()
        .map(|(arm, p)| {
            let posterior =
                Posterior::new(p.alpha, p.beta).map_err(|_| Mismatch::Posterior(arm.clone()))?;
            Ok((arm.clone(), posterior))
        })
        .collect()
}

/// Whether all draws agree in every bit; an error if one is missing or too far off.
fn compare_draws(
    snapshot: &BanditDecisionSnapshot,
    posteriors: &BTreeMap<String, Posterior>,
) -> Result<bool, Mismatch> {
    let choice = choose(snapshot.random_seed, posteriors).map_err(|_| Mismatch::Candidates)?;
    let mut is_bit_exact = true;
    for (arm, theta) in &choice.theta_by_arm {
        let stored = snapshot
            .sampled_theta_by_arm
            .get(arm)
            .ok_or_else(|| Mismatch::Draw(arm.clone()))?;
        let is_near = (stored - theta).abs() <= THETA_TOLERANCE;
        if !is_near {
            return Err(Mismatch::Draw(arm.clone()));
        }
        is_bit_exact &= stored.to_bits() == theta.to_bits();
    }
    Ok(is_bit_exact)
}

fn largest_draw(thetas: &BTreeMap<String, f64>) -> Option<&str> {
    let mut best: Option<(&str, f64)> = None;
    for (arm, theta) in thetas {
        if best.is_none_or(|(_, largest)| *theta > largest) {
            best = Some((arm, *theta));
        }
    }
    best.map(|(arm, _)| arm)
}
