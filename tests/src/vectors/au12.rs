//! Area `au12`: mouth width over eye distance, neutral baseline and score.

use lsie_analysis::face::Calibrator;
use lsie_kernels::au12::reference::{raw_ratio, raw_ratio_aspect};
use lsie_kernels::au12::{POINTS, score};
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError, number};

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    let output = match case.op {
        "raw_ratio" => json!({"ratio": raw_ratio(&points(input)?).ok()}),
        "raw_ratio_aspect" => {
            let (width, height) = (input.float("width")?, input.float("height")?);
            json!({"ratio": raw_ratio_aspect(&points(input)?, width, height).ok()})
        }
        "sequence" => sequence(input)?,
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}

fn points(input: Input<'_>) -> Result<[[f64; 3]; 6], RunError> {
    let listed = input.at("points")?;
    let mut points = [[0.0; 3]; 6];
    for (point, index) in points.iter_mut().zip(POINTS) {
        let read = listed.floats(&index.to_string())?;
        *point = read
            .try_into()
            .map_err(|_| RunError::Input(format!("point {index} has no three coordinates")))?;
    }
    Ok(points)
}

fn sequence(input: Input<'_>) -> Result<Value, RunError> {
    let alpha = input.float("alpha")?;
    let mut calibrator = Calibrator::default();
    let mut intensities = Vec::new();
    for frame in input.list("frames")? {
        let frame = Input(frame);
        let is_calibrating = frame.boolean("calibrating")?;
        intensities.push(match raw_ratio(&points(frame)?).ok() {
            None => Value::Null,
            Some(ratio) if is_calibrating => {
                if calibrator.accept(ratio) {
                    json!(0.0)
                } else {
                    Value::Null
                }
            }
            Some(ratio) => scored(&calibrator, ratio, alpha)?,
        });
    }
    let state = calibrator.state();
    Ok(
        json!({"b_neutral": state.baseline(), "calibration_frames": state.accepted, "intensity": intensities}),
    )
}

/// The cases score after any number of calibration frames; from the 45th on the product's own way must agree.
fn scored(calibrator: &Calibrator, ratio: f64, alpha: f64) -> Result<Value, RunError> {
    let Some(baseline) = calibrator.state().baseline() else {
        return Ok(json!("error:not_calibrated"));
    };
    let intensity = score(ratio, baseline, alpha)
        .map_err(|absent| RunError::Input(format!("no score: {absent:?}")))?;
    let ours = calibrator.score(ratio).unwrap_or(intensity);
    if calibrator.state().is_complete() && ours.to_bits() != intensity.to_bits() {
        return Err(RunError::Input(format!(
            "the calibrator scores {ours}, the formula {intensity}"
        )));
    }
    Ok(number(intensity))
}
