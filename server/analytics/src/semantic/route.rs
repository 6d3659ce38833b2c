//! Where a calibrated score leads (math 11.3).

use lsie_schemas::contract::{AnalyticsSemantic, SemanticMethod, SemanticReason};

use super::gray_band::GrayBand;
use super::lexical::lexical_score;

/// From here on a score is a match.
const MATCH_FROM: f64 = 0.72;
/// Below this it is none; between lies the gray band.
const GRAY_FROM: f64 = 0.58;
/// Marks the method version of a lexical substitute.
pub const LEXICAL_SUFFIX: &str = "+lexical-unavailable-fallback";

/// What the primary scorer yielded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Primary<'a> {
    /// A calibrated probability.
    Probability(f64),
    /// The scorer failed, or its score was not finite.
    Failed,
    /// No model is installed: rule and transcript are compared by words.
    ModelAbsent {
        /// Rule that was to be delivered.
        expected_rule: &'a str,
        /// What was said.
        utterance: &'a str,
    },
}

/// Where a score leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Routed {
    /// Judged.
    Done(AnalyticsSemantic),
    /// In the gray band with the fallback on: ask the provider.
    AskFallback(GrayBand),
}

/// Routes a primary score. `method_version` names scorer and calibration; `fallback_version` names the gray-band
/// provider, `None` while it is off.
pub fn route(primary: Primary<'_>, method_version: &str, fallback_version: Option<&str>) -> Routed {
    use SemanticReason::{
        CrossEncoderHighMatch, CrossEncoderHighNonmatch, SemanticError,
        SemanticLocalFailureFallback,
    };
    let done = |reason, is_match, confidence, version: &str| {
        Routed::Done(judged(
            reason,
            is_match,
            confidence,
            SemanticMethod::CrossEncoder,
            version,
        ))
    };
    match primary {
        Primary::ModelAbsent {
            expected_rule,
            utterance,
        } => {
            let score = lexical_score(expected_rule, utterance);
            let version = format!("{method_version}{LEXICAL_SUFFIX}");
            let is_match = score >= MATCH_FROM;
            let reason = if is_match {
                CrossEncoderHighMatch
            } else {
                CrossEncoderHighNonmatch
            };
            done(reason, is_match, score, &version)
        }
        Primary::Probability(p) if (MATCH_FROM..=1.0).contains(&p) => {
            done(CrossEncoderHighMatch, true, p, method_version)
        }
        Primary::Probability(p) if (0.0..GRAY_FROM).contains(&p) => {
            done(CrossEncoderHighNonmatch, false, p, method_version)
        }
        Primary::Probability(p) if (GRAY_FROM..MATCH_FROM).contains(&p) => match fallback_version {
            Some(version) => Routed::AskFallback(GrayBand::new(version)),
            None => done(SemanticError, false, 0.0, method_version),
        },
        // Not a probability: the scorer broke its promise.
        Primary::Failed | Primary::Probability(_) => {
            done(SemanticLocalFailureFallback, false, 0.0, method_version)
        }
    }
}

/// Judgement of an empty transcript: an error, never a silent no (math 11.6).
pub fn empty_transcript(method_version: &str) -> AnalyticsSemantic {
    judged(
        SemanticReason::SemanticError,
        false,
        0.0,
        SemanticMethod::CrossEncoder,
        method_version,
    )
}

pub(super) fn judged(
    reasoning: SemanticReason,
    is_match: bool,
    confidence_score: f64,
    semantic_method: SemanticMethod,
    version: &str,
) -> AnalyticsSemantic {
    AnalyticsSemantic {
        reasoning,
        is_match,
        confidence_score,
        semantic_method,
        semantic_method_version: version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(primary: Primary<'_>) -> SemanticReason {
        match route(primary, "v", None) {
            Routed::Done(s) => s.reasoning,
            Routed::AskFallback(_) => panic!("the fallback is off"),
        }
    }

    #[test]
    fn limits_belong_to_the_upper_side() {
        assert_eq!(
            reason(Primary::Probability(0.72)),
            SemanticReason::CrossEncoderHighMatch
        );
        assert_eq!(
            reason(Primary::Probability(0.7199999)),
            SemanticReason::SemanticError
        );
        assert_eq!(
            reason(Primary::Probability(0.58)),
            SemanticReason::SemanticError
        );
        assert_eq!(
            reason(Primary::Probability(0.5799999)),
            SemanticReason::CrossEncoderHighNonmatch
        );
    }

    #[test]
    fn a_number_that_is_no_probability_is_a_failure() {
        for p in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert_eq!(
                reason(Primary::Probability(p)),
                SemanticReason::SemanticLocalFailureFallback
            );
        }
    }

    #[test]
    fn the_gray_band_asks_only_when_allowed() {
        assert!(matches!(
            route(Primary::Probability(0.65), "v", Some("f")),
            Routed::AskFallback(_)
        ));
        assert!(
            matches!(route(Primary::Probability(0.65), "v", None), Routed::Done(s) if s.confidence_score == 0.0)
        );
    }

    #[test]
    fn a_substitute_says_so() {
        let primary = Primary::ModelAbsent {
            expected_rule: "hello world",
            utterance: "hello world",
        };
        assert!(
            matches!(route(primary, "v", None), Routed::Done(s) if s.is_match && s.semantic_method_version == "v+lexical-unavailable-fallback")
        );
    }

    proptest! {
        #[test]
        fn confidence_is_a_probability(p in prop::num::f64::ANY) {
            if let Routed::Done(s) = route(Primary::Probability(p), "v", None) {
                prop_assert!((0.0..=1.0).contains(&s.confidence_score));
                prop_assert_eq!(s.is_match, s.reasoning == SemanticReason::CrossEncoderHighMatch);
            }
        }
    }
}
