//! Area `semantic`: calibration, routing, the lexical substitute and response inference.

use lsie_analytics::semantic::{
    FallbackFailure, Primary, RawSemantic, Routed, ScoreOutput, calibrate, infer_response,
    lexical_score, normalise, route,
};
use lsie_schemas::contract::AnalyticsSemantic;
use serde_json::{Value, json};

use super::{Case, Input, Outcome, RunError};

const METHOD_VERSION: &str =
    "lsie-greeting-cross-encoder-v1.0.0+semantic-greeting-calibration-v1.0.0";
const FALLBACK_VERSION: &str = "azure-openai:dep:2024-02-01";

/// Runs one case.
pub(super) fn run(case: &Case<'_>) -> Result<Outcome, RunError> {
    let input = case.input;
    let output = match case.op {
        "lexical" => {
            json!({"score": lexical_score(input.text("expected_rule")?, input.text("utterance")?)})
        }
        "calibrate_v1" => score(input.float("raw")?, ScoreOutput::LegacyV1),
        "calibrate_logit" => score(input.float("raw")?, ScoreOutput::Logit),
        "route" => json!(routed(input)?),
        "normalise" if input.is_null("semantic") => json!({"result": null}),
        "normalise" => json!({"result": normalise(raw_semantic(input.at("semantic")?)?)}),
        "response_inference" => {
            let semantic = normalise(raw_semantic(input.at("semantic")?)?);
            json!(infer_response(
                &semantic,
                input.text("transcription")?,
                Some(0.0)
            ))
        }
        _ => return Err(RunError::UnknownOperation),
    };
    Ok(Outcome::Output(output))
}

fn score(raw: f64, output: ScoreOutput) -> Value {
    match calibrate(raw, output) {
        Ok(score) => json!({"score": score}),
        Err(error) => json!({"error": error.code()}),
    }
}

fn raw_semantic(input: Input<'_>) -> Result<RawSemantic<'_>, RunError> {
    Ok(RawSemantic {
        reasoning: input.text("reasoning")?,
        is_match: input.boolean("is_match")?,
        confidence_score: input.float("confidence_score")?,
        semantic_method: input.optional_text("semantic_method")?,
        semantic_method_version: input.optional_text("semantic_method_version")?,
    })
}

fn routed(input: Input<'_>) -> Result<AnalyticsSemantic, RunError> {
    let primary = match input.get("raw_score")? {
        Value::String(word) if word == "model_unavailable" => Primary::ModelAbsent {
            expected_rule: input.text("expected_rule")?,
            utterance: input.text("utterance")?,
        },
        Value::String(word) if word == "error" => Primary::Failed,
        _ => calibrate(input.float("raw_score")?, ScoreOutput::LegacyV1)
            .map_or(Primary::Failed, Primary::Probability),
    };
    let fallback = if input.is_null("fallback") {
        None
    } else {
        Some(input.list("fallback")?)
    };
    let mut gray_band = match route(primary, METHOD_VERSION, fallback.map(|_| FALLBACK_VERSION)) {
        Routed::Done(semantic) => return Ok(semantic),
        Routed::AskFallback(gray_band) => gray_band,
    };
    let answers = fallback
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_str);
    let judged = answers
        .map(|word| match word {
            "timeout" => Err(FallbackFailure::Timeout),
            "error" => Err(FallbackFailure::Failed),
            text => Ok(text),
        })
        .find_map(|answer| gray_band.take(answer));
    judged.ok_or_else(|| RunError::Input("the fallback answers ran out".to_owned()))
}
