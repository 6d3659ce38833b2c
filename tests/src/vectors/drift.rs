//! Area `drift`: the device's wall clock, held while polls fail (math 2).

use lsie_segment::{DriftEstimator, DriftPoll};
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError};

/// Runs one case. `poll_seed` cases show the older system's rule (informative); they run against ours.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let output = match case.op {
        "poll_hold" | "poll_seed" => poll(case.input)?,
        "correct" => correct(case.input)?,
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}

fn poll(input: Input<'_>) -> Result<Value, RunError> {
    let mut drift = DriftEstimator::default();
    let mut states = Vec::new();
    for raw in input.list("polls")? {
        let raw = Input(raw);
        let state = drift.record(read_poll(raw)?, raw.float("mono")?);
        states.push(
            json!({"offset": state.offset_s, "frozen": state.is_frozen, "valid": state.is_valid}),
        );
    }
    Ok(json!({"states": states}))
}

fn read_poll(raw: Input<'_>) -> Result<DriftPoll<'_>, RunError> {
    let has_failed = !raw.is_null("fail") && raw.boolean("fail")?;
    let exit_code = if raw.is_null("rc") {
        0
    } else {
        raw.integer("rc")?
    };
    if has_failed || exit_code != 0 {
        return Ok(DriftPoll::Failed);
    }
    let (before_s, after_s) = (raw.float("before")?, raw.float("after")?);
    Ok(match raw.optional_text("raw")? {
        Some(device_text) => DriftPoll::Reply {
            before_s,
            after_s,
            device_text,
        },
        None => DriftPoll::Value {
            before_s,
            after_s,
            device_s: raw.float("device")?,
        },
    })
}

/// Teaches the estimator an offset by one poll of no length at time zero.
fn correct(input: Input<'_>) -> Result<Value, RunError> {
    let mut drift = DriftEstimator::default();
    drift.record(
        DriftPoll::Value {
            before_s: 0.0,
            after_s: 0.0,
            device_s: -input.float("offset")?,
        },
        0.0,
    );
    Ok(json!({"t": drift.correct(input.float("t")?)}))
}
