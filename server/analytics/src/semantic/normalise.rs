//! Bringing a foreign scorer payload into the contract's words (math 11.6).

use lsie_schemas::contract::{AnalyticsSemantic, SemanticMethod, SemanticReason};

use super::route::judged;
use crate::statistics::clamp01;

/// Version written when a payload names none; the literal of earlier records.
pub const DEFAULT_METHOD_VERSION: &str = "desktop-gpu-worker-v1";

/// A scorer payload before its words are checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawSemantic<'a> {
    /// Reason as sent; free text is possible and never passed on.
    pub reasoning: &'a str,
    /// Match as sent.
    pub is_match: bool,
    /// Confidence as sent, any number.
    pub confidence_score: f64,
    /// Method as sent.
    pub semantic_method: Option<&'a str>,
    /// Version as sent.
    pub semantic_method_version: Option<&'a str>,
}

/// Normalises a payload: an unknown method becomes `cross_encoder`, an unknown reason `semantic_error` without a
/// match, a confidence that is not finite 0.0.
pub fn normalise(raw: RawSemantic<'_>) -> AnalyticsSemantic {
    let reason = SemanticReason::from_text(raw.reasoning);
    let method = raw
        .semantic_method
        .and_then(SemanticMethod::from_text)
        .unwrap_or(SemanticMethod::CrossEncoder);
    let confidence = if raw.confidence_score.is_finite() {
        clamp01(raw.confidence_score)
    } else {
        0.0
    };
    let version = raw
        .semantic_method_version
        .filter(|v| !v.is_empty())
        .unwrap_or(DEFAULT_METHOD_VERSION);
    judged(
        reason.unwrap_or(SemanticReason::SemanticError),
        raw.is_match && reason.is_some(),
        confidence,
        method,
        version,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_not_passed_on() {
        let out = normalise(RawSemantic {
            reasoning: "because it sounded nice",
            is_match: true,
            confidence_score: f64::INFINITY,
            semantic_method: Some("magic"),
            semantic_method_version: None,
        });
        assert_eq!(
            (out.reasoning, out.is_match),
            (SemanticReason::SemanticError, false)
        );
        assert_eq!(
            (out.confidence_score, out.semantic_method),
            (0.0, SemanticMethod::CrossEncoder)
        );
        assert_eq!(out.semantic_method_version, DEFAULT_METHOD_VERSION);
    }

    #[test]
    fn known_words_stay() {
        let out = normalise(RawSemantic {
            reasoning: "gray_band_llm_match",
            is_match: true,
            confidence_score: 1.5,
            semantic_method: Some("llm_gray_band"),
            semantic_method_version: Some("v9"),
        });
        assert_eq!(
            (out.reasoning, out.is_match),
            (SemanticReason::GrayBandLlmMatch, true)
        );
        assert_eq!(
            (out.confidence_score, out.semantic_method),
            (1.0, SemanticMethod::LlmGrayBand)
        );
        assert_eq!(out.semantic_method_version, "v9");
    }
}
