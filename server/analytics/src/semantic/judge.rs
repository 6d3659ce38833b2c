//! From what the scorers measured to one routed judgement, with every other reading beside it (math 11.2 to 11.5, 11.8).

use lsie_schemas::contract::AnalyticsSemantic;
use lsie_schemas::semantic::{ScoreOutcome, SemanticFailure, SemanticScore, SemanticScorer};

use super::calibrate::{ScoreOutput, calibrate};
use super::lexical::lexical_score;
use super::route::{Primary, Routed, empty_transcript, route};

/// Version of the lexical score (math 11.5).
pub const LEXICAL_VERSION: &str = "lexical_v1";

/// Which scorer decides. Where its model is not installed, shared words do, and the method version says so (math 11.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deciding {
    /// The cross-encoder.
    #[default]
    CrossEncoder,
    /// The sentence embedding. Its cosine is not fitted to judgements, so it decides only where somebody chose it.
    SentenceEmbedding,
}

impl Deciding {
    const fn scorer(self) -> SemanticScorer {
        match self {
            Self::CrossEncoder => SemanticScorer::CrossEncoder,
            Self::SentenceEmbedding => SemanticScorer::SentenceEmbedding,
        }
    }
}

/// What one scorer says, as a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which scorer.
    pub scorer: SemanticScorer,
    /// Model with its hash, and calibration; pinned (math 11.8).
    pub method_version: String,
    /// Its probability, or why there is none.
    pub state: ReadingState,
    /// A text was longer than the model reads.
    pub is_cut: bool,
    /// Whether the judgement comes from it; all others are shadows.
    pub decides: bool,
}

/// A probability, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadingState {
    /// In [0, 1].
    Probability(f64),
    /// The scorer failed.
    Failed(SemanticFailure),
    /// Its model is not installed; how to get it.
    Unavailable(String),
}

/// A judgement and everything that was measured for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Where the deciding score leads.
    pub routed: Routed,
    /// Every reading, the deciding one among them.
    pub readings: Vec<Reading>,
}

impl Judgement {
    /// The verdict, unless the gray band still has to be asked about.
    pub const fn verdict(&self) -> Option<&AnalyticsSemantic> {
        match &self.routed {
            Routed::Done(verdict) => Some(verdict),
            Routed::AskFallback(_) => None,
        }
    }
}

/// Judges an utterance by a rule. `scores` are the engine's; `fallback_version` names the gray-band provider, `None` while it is
/// off. Only the deciding scorer's number has any influence on the verdict.
pub fn judge(
    rule: &str,
    utterance: &str,
    scores: &[SemanticScore],
    deciding: Deciding,
    fallback_version: Option<&str>,
) -> Judgement {
    let mut readings: Vec<Reading> = scores
        .iter()
        .filter(|score| score.scorer != SemanticScorer::Lexical)
        .map(reading)
        .collect();
    readings.push(Reading {
        scorer: SemanticScorer::Lexical,
        method_version: LEXICAL_VERSION.to_owned(),
        state: ReadingState::Probability(lexical_score(rule, utterance)),
        is_cut: false,
        decides: false,
    });
    let mut candidates = readings.iter();
    let chosen = candidates.position(|reading| {
        let is_there = !matches!(reading.state, ReadingState::Unavailable(_));
        reading.scorer == deciding.scorer() && is_there
    });
    let place = chosen.unwrap_or(readings.len().saturating_sub(1));
    let mut version = LEXICAL_VERSION.to_owned();
    let mut primary = Primary::ModelAbsent {
        expected_rule: rule,
        utterance,
    };
    if let Some(reading) = readings.get_mut(place) {
        reading.decides = true;
        version.clone_from(&reading.method_version);
        if reading.scorer != SemanticScorer::Lexical {
            primary = match reading.state {
                ReadingState::Probability(probability) => Primary::Probability(probability),
                _ => Primary::Failed,
            };
        }
    }
    let routed = if utterance.trim().is_empty() {
        Routed::Done(empty_transcript(&version))
    } else {
        route(primary, &version, fallback_version)
    };
    Judgement { routed, readings }
}

/// Calibrates one measurement. What comes over the link is not trusted to be finite.
fn reading(score: &SemanticScore) -> Reading {
    let model = &score.model_version;
    let (method_version, state) = match &score.outcome {
        ScoreOutcome::Raw { value, scale } => {
            let output = ScoreOutput::from(*scale);
            let state = calibrate(*value, output).map_or(
                ReadingState::Failed(SemanticFailure::NotFinite),
                ReadingState::Probability,
            );
            (format!("{model}+{}", output.version()), state)
        }
        ScoreOutcome::Failed { reason } => (model.to_string(), ReadingState::Failed(*reason)),
        ScoreOutcome::Unavailable { how_to_get } => (
            model.to_string(),
            ReadingState::Unavailable(how_to_get.to_string()),
        ),
    };
    let method_version = if method_version.is_empty() {
        score.scorer.code().to_owned()
    } else {
        method_version
    };
    Reading {
        scorer: score.scorer,
        method_version,
        state,
        is_cut: score.is_cut,
        decides: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsie_schemas::contract::SemanticReason;
    use lsie_schemas::link::Text;
    use lsie_schemas::semantic::ScoreScale;
    use proptest::prelude::*;

    fn score(scorer: SemanticScorer, outcome: ScoreOutcome) -> SemanticScore {
        SemanticScore {
            scorer,
            model_version: Text::cut("m-1@abc"),
            outcome,
            is_cut: false,
        }
    }

    fn raw(scorer: SemanticScorer, value: f64, scale: ScoreScale) -> SemanticScore {
        score(scorer, ScoreOutcome::Raw { value, scale })
    }

    fn absent() -> SemanticScore {
        let how_to_get = Text::cut("unavailable: fetch it");
        score(
            SemanticScorer::CrossEncoder,
            ScoreOutcome::Unavailable { how_to_get },
        )
    }

    fn verdict(scores: &[SemanticScore], deciding: Deciding) -> AnalyticsSemantic {
        let judgement = judge("hello world", "hello there", scores, deciding, None);
        assert_eq!(judgement.readings.iter().filter(|r| r.decides).count(), 1);
        judgement.verdict().unwrap().clone()
    }

    #[test]
    fn the_method_version_pins_model_and_calibration() {
        let scores = [raw(SemanticScorer::CrossEncoder, 4.0, ScoreScale::Logit)];
        let out = verdict(&scores, Deciding::CrossEncoder);
        assert_eq!(out.semantic_method_version, "m-1@abc+logistic_v1");
        assert!(out.is_match && (out.confidence_score - 0.982).abs() < 1e-3);
        let scores = [raw(
            SemanticScorer::SentenceEmbedding,
            0.8,
            ScoreScale::Cosine,
        )];
        let out = verdict(&scores, Deciding::SentenceEmbedding);
        assert_eq!(out.semantic_method_version, "m-1@abc+cosine_clamp_v1");
        assert_eq!((out.is_match, out.confidence_score), (true, 0.8));
    }

    #[test]
    fn words_decide_where_the_model_is_absent_and_say_so() {
        let embedding = raw(SemanticScorer::SentenceEmbedding, 0.99, ScoreScale::Cosine);
        for scores in [vec![], vec![absent()], vec![absent(), embedding]] {
            let out = verdict(&scores, Deciding::CrossEncoder);
            let version = "lexical_v1+lexical-unavailable-fallback";
            assert_eq!(
                (out.semantic_method_version.as_str(), out.is_match),
                (version, false)
            );
        }
    }

    #[test]
    fn a_scorer_that_fails_is_not_replaced_by_another() {
        let broken = [
            raw(SemanticScorer::CrossEncoder, f64::NAN, ScoreScale::Logit),
            raw(
                SemanticScorer::CrossEncoder,
                f64::INFINITY,
                ScoreScale::Probability,
            ),
            score(
                SemanticScorer::CrossEncoder,
                ScoreOutcome::Failed {
                    reason: SemanticFailure::Busy,
                },
            ),
        ];
        for scores in broken {
            let out = verdict(&[scores], Deciding::CrossEncoder);
            let reason = SemanticReason::SemanticLocalFailureFallback;
            assert_eq!(
                (out.reasoning, out.is_match, out.confidence_score),
                (reason, false, 0.0)
            );
        }
    }

    #[test]
    fn a_blank_utterance_is_an_error_whatever_the_scorers_say() {
        let scores = [raw(SemanticScorer::CrossEncoder, 9.0, ScoreScale::Logit)];
        let judgement = judge("hello", " \n", &scores, Deciding::CrossEncoder, Some("f"));
        assert_eq!(
            judgement.verdict().unwrap().reasoning,
            SemanticReason::SemanticError
        );
    }

    proptest! {
        #[test]
        fn shadows_never_change_the_verdict(
            p in prop::num::f64::ANY, shadow in prop::num::f64::ANY, other in prop::num::f64::ANY
        ) {
            let live = raw(SemanticScorer::CrossEncoder, p, ScoreScale::Probability);
            let with = |value| {
                let shadow = raw(SemanticScorer::SentenceEmbedding, value, ScoreScale::Cosine);
                verdict(&[shadow, live.clone()], Deciding::CrossEncoder)
            };
            prop_assert_eq!(with(shadow), with(other));
            prop_assert_eq!(with(shadow), verdict(std::slice::from_ref(&live), Deciding::CrossEncoder));
        }

        #[test]
        fn any_two_texts_are_judged(rule in any::<String>(), utterance in any::<String>()) {
            let judgement = judge(&rule, &utterance, &[absent()], Deciding::CrossEncoder, None);
            prop_assert!((0.0..=1.0).contains(&judgement.verdict().unwrap().confidence_score));
        }
    }
}
