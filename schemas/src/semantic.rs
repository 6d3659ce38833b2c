//! What scorers measured on a rule and an utterance (math 11): the question goes into the media process, only numbers come out.
//!
//! ```text
//! SemanticQuestion {rule, utterance} ──▶ engine ──▶ SemanticScores {scorer, model version, raw number | failure | unavailable}
//! ```
//!
//! A raw number is no probability yet: calibration, routing and the choice of the scorer that decides belong to the control plane.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::link::{Bounded, Text};

/// Longest rule, bytes: the contract's 1000 characters at four bytes each.
pub const MAX_RULE_BYTES: usize = 4096;
/// Longest utterance, bytes; 30 s of quick speech stay below 2 kB.
pub const MAX_UTTERANCE_BYTES: usize = 1 << 16;
/// Most scorers that one answer lists.
pub const MAX_SCORERS: usize = 4;

/// How rule and utterance are compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SemanticScorer {
    /// A network that reads both at once.
    CrossEncoder,
    /// A network that turns each into a vector.
    SentenceEmbedding,
    /// Shared words (math 11.5). Needs no model.
    Lexical,
}

impl SemanticScorer {
    /// Stable wire code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CrossEncoder => "cross_encoder",
            Self::SentenceEmbedding => "sentence_embedding",
            Self::Lexical => "lexical",
        }
    }
}

/// What a raw number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreScale {
    /// Cosine of two vectors, in [-1, 1].
    Cosine,
    /// Log-odds.
    Logit,
    /// A probability.
    Probability,
}

/// Why an installed scorer gave no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SemanticFailure {
    /// A text has no piece that the scorer knows.
    EmptyText,
    /// The network answered NaN or an infinity.
    NotFinite,
    /// The network or its runtime failed.
    Network,
    /// Too many questions were waiting; this one was not scored.
    Busy,
}

impl SemanticFailure {
    /// Stable wire code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::EmptyText => "empty_text",
            Self::NotFinite => "not_finite",
            Self::Network => "network",
            Self::Busy => "busy",
        }
    }
}

/// What one scorer says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreOutcome {
    /// Its number, before calibration.
    Raw {
        /// The number.
        value: f64,
        /// What it is.
        scale: ScoreScale,
    },
    /// It is there and failed.
    Failed {
        /// Why.
        reason: SemanticFailure,
    },
    /// Its model is not installed or cannot be opened.
    Unavailable {
        /// One sentence for the operator.
        how_to_get: Text<512>,
    },
}

/// One scorer's measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SemanticScore {
    /// How it compares.
    pub scorer: SemanticScorer,
    /// Name, version and first digits of the hash of its model; empty without a model.
    pub model_version: Text<128>,
    /// What it says.
    pub outcome: ScoreOutcome,
    /// A text was longer than the model reads; only its beginning was judged.
    pub is_cut: bool,
}

/// The answer to a [`SemanticQuestion`]: each scorer once, no text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SemanticScores {
    /// The question it answers.
    pub request_id: Uuid,
    /// Measurements, in the order in which the engine knows its scorers.
    pub scores: Bounded<SemanticScore, MAX_SCORERS>,
}

/// A rule and an utterance to compare. Its `Debug` form tells lengths only: what was said belongs into no log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SemanticQuestion {
    /// Chosen by the asker; the answer repeats it.
    pub request_id: Uuid,
    /// What should have been said.
    pub rule: Text<MAX_RULE_BYTES>,
    /// What was said.
    pub utterance: Text<MAX_UTTERANCE_BYTES>,
}

/// A text of a question is too long. Nothing is cut in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {part} has {found_bytes} bytes, at most {limit_bytes} are taken")]
pub struct TextTooLong {
    /// Which text.
    pub part: &'static str,
    /// Its length.
    pub found_bytes: usize,
    /// The bound.
    pub limit_bytes: usize,
}

impl SemanticQuestion {
    /// A question whose texts fit.
    pub fn new(request_id: Uuid, rule: &str, utterance: &str) -> Result<Self, TextTooLong> {
        let fits = |part, text: &str, limit_bytes| {
            let found_bytes = text.len();
            if found_bytes <= limit_bytes {
                return Ok(());
            }
            Err(TextTooLong {
                part,
                found_bytes,
                limit_bytes,
            })
        };
        fits("rule", rule, MAX_RULE_BYTES)?;
        fits("utterance", utterance, MAX_UTTERANCE_BYTES)?;
        Ok(Self {
            request_id,
            rule: Text::cut(rule),
            utterance: Text::cut(utterance),
        })
    }
}

impl std::fmt::Debug for SemanticQuestion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SemanticQuestion")
            .field("request_id", &self.request_id)
            .field("rule_bytes", &self.rule.as_str().len())
            .field("utterance_bytes", &self.utterance.as_str().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit_or_are_refused_by_name() {
        let id = Uuid::from_u128(1);
        let rule = "é".repeat(MAX_RULE_BYTES / 2);
        let utterance = "🎉".repeat(10_000);
        let question = SemanticQuestion::new(id, &rule, &utterance).unwrap();
        assert_eq!(question.utterance.as_str(), utterance);
        let long = "x".repeat(MAX_UTTERANCE_BYTES + 1);
        assert_eq!(
            SemanticQuestion::new(id, "", &long).unwrap_err().part,
            "utterance"
        );
        assert_eq!(
            SemanticQuestion::new(id, &long, "")
                .unwrap_err()
                .limit_bytes,
            MAX_RULE_BYTES
        );
    }

    #[test]
    fn what_was_said_is_in_no_debug_line() {
        let question = SemanticQuestion::new(Uuid::nil(), "secret rule", "secret words").unwrap();
        let shown = format!("{question:?}");
        assert!(!shown.contains("secret") && shown.contains("12"), "{shown}");
    }
}
