//! Area `privacy`: the perimeter walk and the judgement of single keys.

use lsie_schemas::privacy;
use serde_json::json;

use super::{Case, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let output = match case.op {
        "inspect_key" => {
            let key = case.input.text("key")?;
            json!({"normalised": privacy::normalise_key(key), "rule": privacy::inspect_key(key)})
        }
        "inspect" => json!({"rule": privacy::inspect(case.input.get("json")?)}),
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}
