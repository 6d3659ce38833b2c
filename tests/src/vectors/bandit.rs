//! Area `bandit`: posterior updates, seeds, draws, choices and the decision context.

use std::collections::BTreeMap;

use lsie_analytics::AnalyticsError;
use lsie_analytics::bandit::{
    Posterior, choose, context_canonical_json, context_hash, draw, draw_uniform, legacy_seed, seed,
    seed_material,
};
use lsie_schemas::contract::ArmPosterior;
use lsie_schemas::id::{Part, uuid5_name};
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    let result = match case.op {
        "update" => posterior(input)?
            .updated(input.float("reward")?)
            .map(|p| json!({"alpha": p.alpha(), "beta": p.beta()})),
        "chain" => chain(input)?,
        "seed_legacy" => Ok(seed_legacy(input)?),
        "seed_v2" => seed_v2(input)?,
        "draw_v2" => {
            let (seed, arm) = (input.unsigned("random_seed")?, input.text("arm_id")?);
            Ok(json!({"u": draw_uniform(seed, arm), "theta": draw(seed, arm, posterior(input)?)}))
        }
        "select_v2" => select(input.unsigned("random_seed")?, input)?,
        "decision_context_hash" => Ok(decision_context(input)?),
        // Informative: the draws of another generator under the seed it used; ours differ by rule.
        "numpy_draws" => select(expected_seed(case)?, input)?,
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(
        result.unwrap_or_else(|error| json!({"error": error.code()})),
    ))
}

fn posterior(input: Input<'_>) -> Result<Posterior, RunError> {
    Posterior::new(input.float("alpha")?, input.float("beta")?)
        .map_err(|error| RunError::Input(error.to_string()))
}

fn chain(input: Input<'_>) -> Result<Result<Value, AnalyticsError>, RunError> {
    let start = posterior(input)?;
    let end = input
        .floats("rewards")?
        .into_iter()
        .try_fold(start, Posterior::updated);
    Ok(end.map(|p| {
        json!({
            "alpha": p.alpha(),
            "beta": p.beta(),
            "mean": p.mean(),
            "variance": p.variance(),
            "invariant_alpha_plus_beta": p.alpha() + p.beta(),
        })
    }))
}

fn seed_legacy(input: Input<'_>) -> Result<Value, RunError> {
    let (session, start) = (
        input.uuid("session_id")?,
        input.instant("segment_window_start_utc")?,
    );
    let stimulus = input.optional_float("stimulus_time")?;
    let text = stimulus.map_or("None".to_owned(), |t| {
        uuid5_name("", &[Part::Float(t)]).split_off(1)
    });
    Ok(json!({
        "random_seed": legacy_seed(&session, start, stimulus, input.text("policy_version")?).to_string(),
        "window_start_canonical": start.to_text(),
        "stimulus_time_text": text,
    }))
}

fn seed_v2(input: Input<'_>) -> Result<Result<Value, AnalyticsError>, RunError> {
    let (session, start) = (
        input.uuid("session_id")?,
        input.instant("segment_window_start_utc")?,
    );
    let stimulus = input.optional_float("stimulus_time")?;
    let (code, policy) = (
        input.text("experiment_code")?,
        input.text("policy_version")?,
    );
    let number = seed(&session, start, stimulus, code, policy);
    let material = seed_material(&session, start, stimulus, code, policy);
    Ok(number
        .and_then(|number| Ok(json!({"random_seed": number.to_string(), "material": material?}))))
}

fn stored_posteriors(input: Input<'_>) -> Result<BTreeMap<String, ArmPosterior>, RunError> {
    let object = input.get("posterior_by_arm")?.as_object();
    let object =
        object.ok_or_else(|| RunError::Input("`posterior_by_arm` is not an object".to_owned()))?;
    object
        .iter()
        .map(|(arm, value)| {
            let value = Input(value);
            Ok((
                arm.clone(),
                ArmPosterior {
                    alpha: value.float("alpha")?,
                    beta: value.float("beta")?,
                },
            ))
        })
        .collect()
}

fn select(seed: u64, input: Input<'_>) -> Result<Result<Value, AnalyticsError>, RunError> {
    let arms: Result<BTreeMap<String, Posterior>, AnalyticsError> = stored_posteriors(input)?
        .into_iter()
        .map(|(arm, p)| Ok((arm, Posterior::new(p.alpha, p.beta)?)))
        .collect();
    Ok(arms.and_then(|arms| choose(seed, &arms)).map(|choice| {
        json!({
            "random_seed": seed.to_string(),
            "sampled_theta_by_arm": choice.theta_by_arm,
            "selected_arm_id": choice.arm_id,
        })
    }))
}

fn expected_seed(case: &Case<'_>) -> Result<u64, RunError> {
    Input(case.expect).unsigned("random_seed")
}

fn decision_context(input: Input<'_>) -> Result<Value, RunError> {
    let candidates: Vec<String> = input
        .list("candidate_arm_ids")?
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let posteriors = stored_posteriors(input)?;
    let (code, row) = (
        input.text("experiment_code")?,
        input.integer("experiment_row_id")?,
    );
    let (selected, policy) = (
        input.text("selected_arm_id")?,
        input.text("policy_version")?,
    );
    Ok(json!({
        "canonical_json": context_canonical_json(code, row, &candidates, &posteriors, selected, policy),
        "sha256": context_hash(code, row, &candidates, &posteriors, selected, policy),
    }))
}
