//! Semantic questions over the link, with models and without.

#![expect(clippy::unwrap_used, reason = "set-up of a test")]

mod server;

use lsie_schemas::link::{EngineMessage, ServerMessage};
use lsie_schemas::semantic::{ScoreOutcome, SemanticQuestion, SemanticScorer, SemanticScores};
use uuid::Uuid;

use server::{Server, cache_dir};

fn ask(server: &mut Server, number: u128, rule: &str, utterance: &str) -> SemanticScores {
    let question = SemanticQuestion::new(Uuid::from_u128(number), rule, utterance).unwrap();
    server.send(&ServerMessage::ScoreSemantics(Box::new(question)));
    let seen = server.until(|message| matches!(message, EngineMessage::SemanticScores(_)));
    match seen.into_iter().next_back() {
        Some(EngineMessage::SemanticScores(scores)) => scores,
        _ => unreachable!(),
    }
}

fn embedding(scores: &SemanticScores) -> ScoreOutcome {
    let mut all = scores.scores.as_slice().iter();
    let found = all.find(|score| score.scorer == SemanticScorer::SentenceEmbedding);
    found.unwrap().outcome.clone()
}

#[test]
fn a_question_is_answered_with_numbers_and_counted() {
    let (mut server, _) = Server::start(&cache_dir());
    let near = ask(
        &mut server,
        1,
        "say hello to the stream",
        "hello, dear stream",
    );
    let far = ask(
        &mut server,
        2,
        "say hello to the stream",
        "the invoice is due on monday",
    );
    assert_eq!(
        (near.request_id, far.request_id),
        (Uuid::from_u128(1), Uuid::from_u128(2))
    );
    let value = |scores| match embedding(scores) {
        ScoreOutcome::Raw { value, .. } => value,
        other => panic!("{other:?}"),
    };
    assert!(value(&near) > value(&far));
    let seen = server.until(
        |message| matches!(message, EngineMessage::Heartbeat(beat) if beat.counters.semantic_scores == 2),
    );
    assert!(!seen.is_empty());
    server.shut_down();
}

#[test]
fn without_models_the_answer_says_how_to_get_them() {
    let empty = tempfile::tempdir().unwrap();
    let (mut server, _) = Server::start(empty.path());
    let scores = ask(&mut server, 7, "say hello", "hello");
    assert!(matches!(
        embedding(&scores),
        ScoreOutcome::Unavailable { how_to_get } if how_to_get.as_str().contains("lsie models fetch")
    ));
    server.shut_down();
}
