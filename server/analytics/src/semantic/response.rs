//! Response inference: observational, it never touches a posterior (math 12).

use lsie_schemas::contract::{
    AnalyticsSemantic, Au12Observation, RegistrationStatus, ResponseInference, ResponseReason,
    SemanticReason,
};

use crate::statistics::{clamp01, percentile};

/// Longest observation of a response, seconds.
const HORIZON_LIMIT_SECS: f64 = 30.0;

/// Infers whether the response rule was met, from the score against that rule and the transcript.
///
/// `None` without a stimulus. A failed scorer is ambiguity, not absence; a blank transcript cannot be a match.
pub fn infer_response(
    semantic: &AnalyticsSemantic,
    transcript: &str,
    stimulus_time_secs: Option<f64>,
) -> Option<ResponseInference> {
    stimulus_time_secs.filter(|t| t.is_finite())?;
    let failed = matches!(
        semantic.reasoning,
        SemanticReason::SemanticError
            | SemanticReason::SemanticTimeout
            | SemanticReason::SemanticLocalFailureFallback
    );
    let (registration_status, response_reason_code) = if transcript.trim().is_empty() {
        (
            RegistrationStatus::NoObservableResponse,
            ResponseReason::NoObservableResponse,
        )
    } else if failed {
        (
            RegistrationStatus::AmbiguousResponse,
            ResponseReason::AmbiguousResponse,
        )
    } else if semantic.is_match {
        (
            RegistrationStatus::ObservableResponse,
            ResponseReason::ResponseSemanticAck,
        )
    } else {
        (
            RegistrationStatus::NoObservableResponse,
            ResponseReason::ResponseTimeout,
        )
    };
    let confidence = semantic.confidence_score;
    Some(ResponseInference {
        is_match: registration_status == RegistrationStatus::ObservableResponse,
        confidence_score: if confidence.is_finite() {
            clamp01(confidence)
        } else {
            0.0
        },
        registration_status,
        response_reason_code,
        response_type: None,
        matched_response_time: None,
        evidence_span_ref: None,
    })
}

/// Whether `pending` may still be said: only before stimulus + horizon (0 to 30 s) closes. All epoch seconds.
pub fn is_pending_legal(stimulus_time_secs: f64, horizon_secs: f64, now_secs: f64) -> bool {
    (0.0..=HORIZON_LIMIT_SECS).contains(&horizon_secs)
        && now_secs < stimulus_time_secs + horizon_secs
}

/// Seconds from stimulus to the matched response, when one was observed at a finite time.
pub fn response_latency_secs(
    inference: &ResponseInference,
    stimulus_time_secs: f64,
) -> Option<f64> {
    let matched = inference
        .matched_response_time
        .filter(|_| inference.is_match)?;
    let latency = matched - stimulus_time_secs;
    latency.is_finite().then_some(latency)
}

/// 90th percentile of AU12 in [m + 0.5, m + 5.0] after the matched response `m`; `None` without frames there.
pub fn response_affect(inference: &ResponseInference, series: &[Au12Observation]) -> Option<f64> {
    let matched = inference
        .matched_response_time
        .filter(|m| inference.is_match && m.is_finite())?;
    let values: Vec<f64> = crate::window::Window::Measure
        .select(series, matched)
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    percentile(&values, 90.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsie_schemas::contract::SemanticMethod;
    use proptest::prelude::*;

    fn semantic(
        reasoning: SemanticReason,
        is_match: bool,
        confidence_score: f64,
    ) -> AnalyticsSemantic {
        AnalyticsSemantic {
            reasoning,
            is_match,
            confidence_score,
            semantic_method: SemanticMethod::CrossEncoder,
            semantic_method_version: "v".to_owned(),
        }
    }

    #[test]
    fn without_a_stimulus_there_is_no_response() {
        let s = semantic(SemanticReason::CrossEncoderHighMatch, true, 0.9);
        assert_eq!(infer_response(&s, "hello", None), None);
        assert_eq!(infer_response(&s, "hello", Some(f64::NAN)), None);
    }

    #[test]
    fn pending_ends_with_the_horizon() {
        assert!(is_pending_legal(100.0, 30.0, 129.9));
        assert!(!is_pending_legal(100.0, 30.0, 130.0));
        assert!(!is_pending_legal(100.0, 31.0, 101.0));
        assert!(!is_pending_legal(100.0, f64::NAN, 101.0));
    }

    #[test]
    fn affect_is_read_after_the_response() {
        let mut r = infer_response(
            &semantic(SemanticReason::CrossEncoderHighMatch, true, 0.9),
            "x",
            Some(0.0),
        )
        .unwrap();
        let series = [Au12Observation {
            timestamp_s: 4.0,
            intensity: 0.4,
        }];
        assert_eq!(response_affect(&r, &series), None);
        r.matched_response_time = Some(3.0);
        assert_eq!(response_affect(&r, &series), Some(0.4));
        assert_eq!(response_latency_secs(&r, 1.0), Some(2.0));
        r.is_match = false;
        assert_eq!(
            (response_affect(&r, &series), response_latency_secs(&r, 1.0)),
            (None, None)
        );
    }

    proptest! {
        #[test]
        fn a_match_is_always_observable(is_match in any::<bool>(), confidence in prop::num::f64::ANY, blank in any::<bool>(), which in 0_usize..4) {
            let reason = [SemanticReason::CrossEncoderHighMatch, SemanticReason::SemanticError, SemanticReason::SemanticTimeout, SemanticReason::GrayBandLlmNonmatch][which];
            let out = infer_response(&semantic(reason, is_match, confidence), if blank { " \n" } else { "hi" }, Some(1.0)).unwrap();
            prop_assert_eq!(out.is_match, out.registration_status == RegistrationStatus::ObservableResponse);
            prop_assert!((0.0..=1.0).contains(&out.confidence_score));
        }
    }
}
