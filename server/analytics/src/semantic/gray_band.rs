//! Reading the gray-band provider's answers (math 11.4). Asking is the caller's business.

use lsie_schemas::contract::{AnalyticsSemantic, SemanticMethod, SemanticReason};
use serde_json::{Map, Value};

use super::route::judged;
use crate::statistics::clamp01;

const ATTEMPTS: u32 = 2;

/// Why the provider gave no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackFailure {
    /// No answer in time.
    Timeout,
    /// Anything else.
    Failed,
}

/// A question to the provider with the tries it has left.
#[derive(Debug, Clone, PartialEq)]
pub struct GrayBand {
    version: String,
    attempts: u32,
}

impl GrayBand {
    pub(super) fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            attempts: 0,
        }
    }

    /// Takes the outcome of one try; `None` asks for another, of which there is at most one.
    ///
    /// An answer counts only if it is JSON with exactly the three keys and a reason that agrees with `is_match`.
    pub fn take(&mut self, answer: Result<&str, FallbackFailure>) -> Option<AnalyticsSemantic> {
        self.attempts = self.attempts.saturating_add(1);
        if let Some((is_match, confidence)) = answer.ok().and_then(accept) {
            let reason = if is_match {
                SemanticReason::GrayBandLlmMatch
            } else {
                SemanticReason::GrayBandLlmNonmatch
            };
            return Some(judged(
                reason,
                is_match,
                confidence,
                SemanticMethod::LlmGrayBand,
                &self.version,
            ));
        }
        if self.attempts < ATTEMPTS {
            return None;
        }
        let reason = match answer {
            Err(FallbackFailure::Timeout) => SemanticReason::SemanticTimeout,
            _ => SemanticReason::SemanticError,
        };
        Some(judged(
            reason,
            false,
            0.0,
            SemanticMethod::LlmGrayBand,
            &self.version,
        ))
    }
}

fn accept(text: &str) -> Option<(bool, f64)> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    if object.len() != 3 {
        return None;
    }
    let is_match = as_truth(object.get("is_match")?)?;
    let expected = if is_match {
        "gray_band_llm_match"
    } else {
        "gray_band_llm_nonmatch"
    };
    let agrees = object.get("reasoning")?.as_str()? == expected;
    let confidence = object
        .get("confidence_score")?
        .as_f64()
        .filter(|c| c.is_finite())?;
    agrees.then(|| (is_match, clamp01(confidence)))
}

fn as_truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str =
        r#"{"reasoning":"gray_band_llm_match","is_match":"TRUE","confidence_score":7}"#;

    #[test]
    fn a_second_try_may_succeed() {
        let mut band = GrayBand::new("f");
        assert_eq!(band.take(Err(FallbackFailure::Timeout)), None);
        let out = band.take(Ok(GOOD)).unwrap();
        assert_eq!((out.is_match, out.confidence_score), (true, 1.0));
    }

    #[test]
    fn the_last_failure_names_the_reason() {
        let mut band = GrayBand::new("f");
        assert_eq!(band.take(Err(FallbackFailure::Failed)), None);
        assert_eq!(
            band.take(Err(FallbackFailure::Timeout)).unwrap().reasoning,
            SemanticReason::SemanticTimeout
        );
        let mut band = GrayBand::new("f");
        assert_eq!(band.take(Err(FallbackFailure::Timeout)), None);
        assert_eq!(
            band.take(Ok("{}")).unwrap().reasoning,
            SemanticReason::SemanticError
        );
    }

    #[test]
    fn almost_right_is_refused() {
        for text in [
            r#"{"reasoning":"gray_band_llm_match","is_match":true}"#,
            r#"{"reasoning":"gray_band_llm_match","is_match":2,"confidence_score":0.5}"#,
            r#"{"reasoning":"gray_band_llm_match","is_match":null,"confidence_score":0.5}"#,
            r#"{"reasoning":"gray_band_llm_match","is_match":true,"confidence_score":"0.5"}"#,
            r#"{"reasoning":"gray_band_llm_match","is_match":true,"confidence_score":1e999}"#,
            r#"["gray_band_llm_match",true,0.5]"#,
        ] {
            assert_eq!(GrayBand::new("f").take(Ok(text)), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_after_two_tries(a in ".*", b in ".*") {
            let mut band = GrayBand::new("f");
            prop_assert!(band.take(Ok(&a)).or_else(|| band.take(Ok(&b))).is_some());
        }
    }
}
