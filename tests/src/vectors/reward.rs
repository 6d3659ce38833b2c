//! Area `reward`: percentile, gated reward and the posterior gate.

use lsie_analytics::reward::{Evidence, Gate, Update, evaluate, p90};
use lsie_schemas::contract::{Au12Observation, SemanticReason};
use serde_json::json;

use super::{Case, Input, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    match case.op {
        "p90" => Ok(Outcome::Output(
            json!({"p90": p90(&input.floats("values")?)}),
        )),
        "reward" => reward(input),
        _ => Err(RunError::UnknownOperation),
    }
}

/// Reads a series of `[timestamp_s, intensity]`; a null intensity is a missing one.
pub(super) fn series(input: Input<'_>) -> Result<Vec<Au12Observation>, RunError> {
    let read = |pair: &serde_json::Value| {
        let number = |index| match pair.get(index) {
            Some(serde_json::Value::Null) => Some(f64::NAN),
            Some(value) => super::case::as_float(value),
            None => None,
        };
        Some(Au12Observation {
            timestamp_s: number(0)?,
            intensity: number(1)?,
        })
    };
    let observations: Option<Vec<_>> = input.list("series")?.iter().map(read).collect();
    observations.ok_or_else(|| RunError::Input("`series` is not pairs of numbers".to_owned()))
}

fn reward(input: Input<'_>) -> Result<Outcome, RunError> {
    let series = series(input)?;
    let reason = SemanticReason::from_text(input.text("reasoning")?)
        .ok_or_else(|| RunError::Input("unknown reasoning".to_owned()))?;
    let outcome = evaluate(&Evidence {
        series: &series,
        stimulus_time_secs: input.optional_float("stimulus_time_s")?,
        gate: Gate::scored(reason, input.boolean("is_match")?),
        has_data_gap: false,
    });
    let Some(outcome) = outcome else {
        return Ok(Outcome::Output(json!(null)));
    };
    let skip_reason = match outcome.update {
        Update::Apply(_) => None,
        Update::Skip(reason) => Some(reason.code()),
    };
    let inputs = outcome.to_inputs();
    Ok(Outcome::Output(json!({
        "gated_reward": inputs.gated_reward,
        "p90_intensity": inputs.p90_intensity,
        "semantic_gate": inputs.semantic_gate,
        "n_frames_in_window": inputs.n_frames_in_window,
        "au12_baseline_pre": inputs.au12_baseline_pre,
        "apply_update": outcome.is_applied(),
        "skip_reason": skip_reason,
    })))
}
