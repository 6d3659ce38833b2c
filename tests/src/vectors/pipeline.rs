//! Area `pipeline`: rates and the older synchroniser, frame by frame.

use std::num::NonZeroU32;

use lsie_graph::MediaTime;
use lsie_graph::nodes::{ExactRate, SeedRate, SeedSync, SeedSyncSettings, Side, TimeBase};
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError, difference};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let verdict = match case.op {
        "fps" => fps(case.input, case)?,
        "sync" => sync(case.input, case)?,
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Verdict(verdict.map_or(Ok(()), Err)))
}

/// Compares the kept frames of both rules; returns the first difference.
fn fps(input: Input<'_>, case: &Case<'_>) -> Result<Option<String>, RunError> {
    let rate = u32::try_from(input.unsigned("fps")?)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| wrong("fps"))?;
    let frames: Vec<_> = input
        .list("frames")?
        .iter()
        .map(frame)
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("frames"))?;
    let (_, first_base) = *frames.first().ok_or_else(|| wrong("frames"))?;
    let mut seed = SeedRate::new(f64::from(rate.get()), first_base);
    let kept_seed: Vec<usize> = kept(frames.iter().map(|(ticks, _)| seed.keep(*ticks)));

    let times = input
        .list("time_ns")?
        .iter()
        .map(Value::as_i64)
        .collect::<Option<Vec<i64>>>();
    let mut exact = ExactRate::new(rate, NonZeroU32::MIN);
    let kept_exact = kept(
        times
            .ok_or_else(|| wrong("time_ns"))?
            .into_iter()
            .map(|nanos| exact.keep(MediaTime(nanos))),
    );

    let seed_differs = difference(&json!(kept_seed), input.get("expect_seed")?, case.tolerance);
    let exact_differs = difference(
        &json!(kept_exact),
        input.get("expect_exact")?,
        case.tolerance,
    );
    Ok(seed_differs
        .map(|text| format!("seed{text}"))
        .or(exact_differs.map(|text| format!("exact{text}"))))
}

fn sync(input: Input<'_>, case: &Case<'_>) -> Result<Option<String>, RunError> {
    let buffer = usize::try_from(input.unsigned("buffer")?).map_err(|_| wrong("buffer"))?;
    let mut state = SeedSync::new(SeedSyncSettings {
        max_delay_secs: input.float("max_delay")?,
        tolerance_secs: input.float("tolerance")?,
        buffer,
    });
    let mut times = Vec::new();
    for event in input.list("events")? {
        let (side, ticks, time_base) = arrival(event).ok_or_else(|| wrong("events"))?;
        times.push(state.arrive(side, ticks, time_base));
    }
    Ok(difference(
        &json!(times),
        input.get("expect_pts")?,
        case.tolerance,
    ))
}

fn kept(decisions: impl Iterator<Item = bool>) -> Vec<usize> {
    decisions
        .enumerate()
        .filter(|(_, keep)| *keep)
        .map(|(index, _)| index)
        .collect()
}

/// `[pts, num, den]`.
fn frame(row: &Value) -> Option<(i64, TimeBase)> {
    Some((row.get(0)?.as_i64()?, time_base(row.get(1)?, row.get(2)?)?))
}

/// `["v" or "a", pts, num, den]`.
fn arrival(row: &Value) -> Option<(Side, i64, TimeBase)> {
    let side = match row.get(0)?.as_str()? {
        "v" => Side::Video,
        "a" => Side::Audio,
        _ => return None,
    };
    Some((
        side,
        row.get(1)?.as_i64()?,
        time_base(row.get(2)?, row.get(3)?)?,
    ))
}

fn time_base(num: &Value, den: &Value) -> Option<TimeBase> {
    TimeBase::new(
        u32::try_from(num.as_u64()?).ok()?,
        u32::try_from(den.as_u64()?).ok()?,
    )
}

fn wrong(key: &str) -> RunError {
    RunError::Input(format!("`{key}` has another form"))
}
