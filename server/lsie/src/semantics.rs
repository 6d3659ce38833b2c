//! `lsie semantics score`: compares a rule with an utterance by every scorer of this machine, without a server.
//!
//! The same scorers and the same routing as in a session: `lsie_engine` measures, `lsie_supervisor` judges.

use std::path::Path;

use anyhow::{Context as _, Result};
use lsie_schemas::semantic::SemanticQuestion;
use lsie_supervisor::semantic::{Deciding, Judgement, ReadingState, judge_scores};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::DecidingScorer;
use crate::commands::Output;
use crate::render::{facts, number, table};

/// Scores one pair and prints every reading and the routed verdict.
pub(crate) fn score(
    cache_dir: &Path,
    rule: &str,
    utterance: &str,
    deciding: DecidingScorer,
    out: &mut Output<'_>,
) -> Result<()> {
    let question = SemanticQuestion::new(Uuid::nil(), rule, utterance)?;
    let scores = lsie_engine::semantic_scorers(cache_dir)?.score(&question);
    let deciding = match deciding {
        DecidingScorer::CrossEncoder => Deciding::CrossEncoder,
        DecidingScorer::SentenceEmbedding => Deciding::SentenceEmbedding,
    };
    let judgement = judge_scores(rule, utterance, scores.scores.as_slice(), deciding, None);
    let shown = shown(&judgement)?;
    out.show(&shown, |shown| as_text(shown, &judgement))
}

fn shown(judgement: &Judgement) -> Result<Value> {
    let verdict = judgement
        .verdict()
        .context("the gray band is open, though no provider was asked")?;
    let scorers = judgement.readings.iter().map(|reading| {
        let (state, probability, reason) = match &reading.state {
            ReadingState::Probability(probability) => ("ready", Some(*probability), None),
            ReadingState::Failed(failure) => ("failed", None, Some(failure.code().to_owned())),
            ReadingState::Unavailable(how_to_get) => {
                ("unavailable", None, Some(how_to_get.clone()))
            }
        };
        json!({
            "scorer": reading.scorer.code(),
            "role": if reading.decides { "decides" } else { "shadow" },
            "state": state,
            "probability": probability,
            "reason": reason,
            "cut": reading.is_cut,
            "method_version": reading.method_version,
        })
    });
    Ok(json!({ "scorers": scorers.collect::<Vec<_>>(), "verdict": verdict }))
}

fn as_text(shown: &Value, judgement: &Judgement) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows = shown["scorers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            let state = match (row["state"].as_str(), row["reason"].as_str()) {
                (Some("unavailable"), Some(reason)) => reason.to_owned(),
                (Some(state), Some(reason)) => format!("{state}: {reason}"),
                _ if row["cut"] == true => "ready; a text was cut".to_owned(),
                _ => word(&row["state"]),
            };
            vec![
                word(&row["scorer"]),
                word(&row["role"]),
                number(row["probability"].as_f64(), 3),
                word(&row["method_version"]),
                state,
            ]
        });
    let headings = ["scorer", "role", "probability", "method version", "state"];
    let mut text = table(&headings, &rows.collect::<Vec<_>>());
    if let Some(verdict) = judgement.verdict() {
        text.push('\n');
        text.push_str(&facts(&[
            (
                "match",
                if verdict.is_match { "yes" } else { "no" }.to_owned(),
            ),
            ("reason", verdict.reasoning.as_str().to_owned()),
            ("confidence", number(Some(verdict.confidence_score), 3)),
            ("method", verdict.semantic_method.as_str().to_owned()),
            ("method version", verdict.semantic_method_version.clone()),
        ]));
    }
    text
}
