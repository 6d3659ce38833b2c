//! Area `contracts`: each operation is the name of a contract. Acceptance is asserted; listed paths and codes are advisory.

use lsie_schemas::contract;
use serde_json::Value;

use super::{Case, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let object = contract::find(case.op).ok_or(RunError::UnknownOperation)?;
    let want = case.expect.get("accept").and_then(Value::as_bool);
    let want = want.ok_or_else(|| RunError::Input("no `accept`".into()))?;
    let errors = object
        .normalise(case.input.get("json")?)
        .err()
        .unwrap_or_default();
    let agrees = errors.is_empty() == want;
    Ok(Outcome::Verdict(if agrees {
        Ok(())
    } else {
        Err(format!("want accept={want}, defects {errors:?}"))
    }))
}
