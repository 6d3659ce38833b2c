//! Area `comodulation`: the ten-minute index of two people.

use lsie_analytics::comodulation::{RmssdRow, comodulation};
use lsie_schemas::contract::SubjectRole;
use lsie_schemas::time::UtcMicros;
use serde_json::json;

use super::{Case, Input, Outcome, RunError};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    if case.op != "comodulation" {
        return Err(RunError::UnknownOperation);
    }
    let end_utc = case.input.instant("window_end_utc")?;
    let rows: Vec<Option<RmssdRow>> = case
        .input
        .list("rows")?
        .iter()
        .map(|raw| row(Input(raw), end_utc))
        .collect::<Result<_, _>>()?;
    let rows: Vec<RmssdRow> = rows.into_iter().flatten().collect();
    let out = comodulation(&rows, end_utc);
    Ok(Outcome::Output(json!({
        "co_modulation_index": out.index.ok(),
        "n_paired_observations": out.n_paired,
        "coverage_ratio": out.coverage_ratio,
        "streamer_rmssd_mean": out.streamer_mean_ms,
        "operator_rmssd_mean": out.operator_mean_ms,
        "null_reason": out.index.err(),
        "window_coverage": out.window_coverage,
    })))
}

/// `None` for a row of an unknown role, which cannot be stored as one.
fn row(input: Input<'_>, end_utc: UtcMicros) -> Result<Option<RmssdRow>, RunError> {
    let offset_micros = (input.float("t")? * 1e6).round() as i64;
    let (rmssd_ms, is_valid, is_stale) = (
        input.optional_float("rmssd_ms")?,
        input.boolean("is_valid")?,
        input.boolean("is_stale")?,
    );
    Ok(
        SubjectRole::from_text(input.text("role")?).map(|role| RmssdRow {
            role,
            timestamp_utc: end_utc.plus_micros(offset_micros),
            rmssd_ms,
            is_valid,
            is_stale,
        }),
    )
}
