//! Judging what was said by a rule: the engine measures, `analytics` routes, and the gray band may be asked about.
//!
//! No provider for the gray band exists in this build; without one it ends as `semantic_error` (math 11.3).

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use lsie_analytics::semantic::{FallbackFailure, Reading, Routed, judge};
use lsie_schemas::contract::AnalyticsSemantic;
use lsie_schemas::semantic::{SemanticQuestion, SemanticScore};
use uuid::Uuid;

pub use lsie_analytics::semantic::{Deciding, Judgement, ReadingState, judge as judge_scores};

use crate::error::SupervisorError;
use crate::handle::{Command, Supervisor};

/// How long a provider may take for one try (math 11.4 allows two).
const PROVIDER_LIMIT: Duration = Duration::from_secs(10);

/// Somebody who judges the gray band. It is given the rule and the utterance and nothing else.
///
/// Its answer is JSON text with exactly three keys (math 11.4); what does not fit is refused by the caller.
pub trait GrayBandProvider: Send + Sync {
    /// Name and version, as records show it.
    fn version(&self) -> &str;

    /// Asks once.
    fn ask<'a>(
        &'a self,
        rule: &'a str,
        utterance: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, FallbackFailure>> + Send + 'a>>;
}

/// A settled judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct SemanticVerdict {
    /// Reason, match, confidence, method.
    pub verdict: AnalyticsSemantic,
    /// What every scorer said; those that do not decide are shadows.
    pub readings: Vec<Reading>,
}

/// Routes measurements to a verdict; asks the provider about the gray band, at most twice. `None`: the fallback is off.
pub async fn settle(
    rule: &str,
    utterance: &str,
    scores: &[SemanticScore],
    deciding: Deciding,
    provider: Option<&dyn GrayBandProvider>,
) -> SemanticVerdict {
    let version = provider.map(GrayBandProvider::version);
    let Judgement { routed, readings } = judge(rule, utterance, scores, deciding, version);
    let mut band = match routed {
        Routed::Done(verdict) => return SemanticVerdict { verdict, readings },
        Routed::AskFallback(band) => band,
    };
    loop {
        let answer = match provider {
            Some(provider) => {
                let asked = provider.ask(rule, utterance);
                let in_time = tokio::time::timeout(PROVIDER_LIMIT, asked).await;
                in_time.unwrap_or(Err(FallbackFailure::Timeout))
            }
            None => Err(FallbackFailure::Failed),
        };
        let answer = answer.as_deref().map_err(|failure| *failure);
        if let Some(verdict) = band.take(answer) {
            return SemanticVerdict { verdict, readings };
        }
    }
}

impl Supervisor {
    /// Judges an utterance by a rule with the engine's scorers. Both texts go to the engine and nowhere else, except to the
    /// provider where one is given.
    pub async fn judge_semantics(
        &self,
        rule: &str,
        utterance: &str,
        deciding: Deciding,
        provider: Option<&dyn GrayBandProvider>,
    ) -> Result<SemanticVerdict, SupervisorError> {
        let question = SemanticQuestion::new(Uuid::new_v4(), rule, utterance).map_err(|error| {
            SupervisorError::Invalid {
                field: error.part,
                reason: error.to_string(),
            }
        })?;
        let answer = self
            .ask(|reply| Command::ScoreSemantics(Box::new(question), reply))
            .await?;
        let scores = answer.scores.as_slice();
        Ok(settle(rule, utterance, scores, deciding, provider).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsie_schemas::contract::SemanticReason;
    use lsie_schemas::link::Text;
    use lsie_schemas::semantic::{ScoreOutcome, ScoreScale, SemanticScorer};
    use std::sync::Mutex;

    /// Says what it was told to say.
    struct Scripted(Mutex<Vec<Result<String, FallbackFailure>>>);

    impl GrayBandProvider for Scripted {
        fn version(&self) -> &'static str {
            "scripted"
        }

        fn ask<'a>(
            &'a self,
            _rule: &'a str,
            _utterance: &'a str,
        ) -> Pin<Box<dyn Future<Output = Result<String, FallbackFailure>> + Send + 'a>> {
            let answer = self.0.lock().unwrap().remove(0);
            Box::pin(async move { answer })
        }
    }

    fn gray() -> [SemanticScore; 1] {
        [SemanticScore {
            scorer: SemanticScorer::CrossEncoder,
            model_version: Text::cut("m"),
            outcome: ScoreOutcome::Raw {
                value: 0.6,
                scale: ScoreScale::Probability,
            },
            is_cut: false,
        }]
    }

    async fn reason(provider: Option<&dyn GrayBandProvider>) -> SemanticReason {
        let settled = settle("rule", "words", &gray(), Deciding::default(), provider).await;
        settled.verdict.reasoning
    }

    #[tokio::test]
    async fn without_a_provider_the_gray_band_is_an_error() {
        assert_eq!(reason(None).await, SemanticReason::SemanticError);
    }

    #[tokio::test]
    async fn a_provider_has_two_tries_and_no_third() {
        let good = r#"{"reasoning":"gray_band_llm_match","is_match":true,"confidence_score":0.9}"#;
        let scripted = Scripted(Mutex::new(vec![Ok("nonsense".into()), Ok(good.into())]));
        assert_eq!(
            reason(Some(&scripted)).await,
            SemanticReason::GrayBandLlmMatch
        );
        let failed = Err(FallbackFailure::Timeout);
        let scripted = Scripted(Mutex::new(vec![failed.clone(), failed, Ok(good.into())]));
        assert_eq!(
            reason(Some(&scripted)).await,
            SemanticReason::SemanticTimeout
        );
        assert_eq!(scripted.0.lock().unwrap().len(), 1);
    }
}
