//! Bodies for words that others write: the gray-band provider's answers, utterances, events of a platform.

use lsie_analytics::attribution::{FoundOutcome, outcome_of_live_event, outcomes_from_object};
use lsie_analytics::semantic::{Primary, Routed, lexical_score, route};
use lsie_schemas::contract::SemanticReason;
use lsie_schemas::id::SegmentId;
use lsie_schemas::time::UtcMicros;
use serde_json::{Map, Value};

/// Answers of the gray-band provider: at most two tries, a confidence in [0, 1], no match without the reason that says so. The same
/// text as an utterance scores in [0, 1], and fully against itself or not at all.
pub fn gray_band(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Routed::AskFallback(mut asked) = route(Primary::Probability(0.65), "v", Some("p")) else {
        panic!("0.65 lies in the gray band");
    };
    let first = asked.take(Ok(&text));
    let judged = match first.clone() {
        Some(judged) => judged,
        None => match asked.take(Ok(&text)) {
            Some(judged) => judged,
            None => panic!("a third try"),
        },
    };
    assert!((0.0..=1.0).contains(&judged.confidence_score));
    let says_match = judged.reasoning == SemanticReason::GrayBandLlmMatch;
    assert_eq!(judged.is_match, says_match);
    if first.is_none() {
        assert_eq!(judged.reasoning, SemanticReason::SemanticError);
        assert_eq!((judged.is_match, judged.confidence_score), (false, 0.0));
    }
    let (rule, utterance) = text.split_once('\n').unwrap_or((&text, ""));
    for (a, b) in [(rule, utterance), (utterance, rule)] {
        assert!((0.0..=1.0).contains(&lexical_score(a, b)));
    }
    let own = lexical_score(&text, &text);
    assert!(own == 0.0 || own == 1.0, "{own}");
}

/// Events of a platform and loose metrics: what is found has finite numbers in range and a time.
pub fn live_outcomes(data: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(data) else {
        return;
    };
    let Ok(segment) = SegmentId::new("a".repeat(64)) else {
        panic!("64 hex digits");
    };
    let at = UtcMicros(1_767_225_600_000_000);
    let found = outcomes_from_object(&object, at, &segment);
    assert_eq!(found, outcomes_from_object(&object, at, &segment));
    found
        .iter()
        .chain(&outcome_of_live_event(&object))
        .for_each(sound);
}

fn sound(outcome: &FoundOutcome) {
    assert!(outcome.value.is_finite());
    assert!((0.0..=1.0).contains(&outcome.confidence));
    assert_eq!(
        UtcMicros::parse(&outcome.time_utc.to_text()),
        Ok(outcome.time_utc)
    );
}
