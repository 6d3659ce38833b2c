//! Semantic questions through the supervisor: to the engine and back, and what happens when it does not answer.

use lsie_schemas::contract::SemanticReason;
use lsie_schemas::link::{Bounded, EngineMessage, ServerMessage, Text};
use lsie_schemas::semantic::{
    MAX_UTTERANCE_BYTES, ScoreOutcome, ScoreScale, SemanticQuestion, SemanticScore, SemanticScorer,
    SemanticScores,
};
use lsie_supervisor::SupervisorError;
use lsie_supervisor::semantic::{Deciding, SemanticVerdict};
use uuid::Uuid;

use crate::stage::{Engine, Options, World, eventually, within};

async fn question(engine: &mut Engine) -> SemanticQuestion {
    match engine.hear().await {
        ServerMessage::ScoreSemantics(question) => *question,
        other => panic!("{other:?}"),
    }
}

fn answer(request_id: Uuid, value: f64) -> EngineMessage {
    let score = SemanticScore {
        scorer: SemanticScorer::CrossEncoder,
        model_version: Text::cut("tiny-1@abc"),
        outcome: ScoreOutcome::Raw {
            value,
            scale: ScoreScale::Probability,
        },
        is_cut: false,
    };
    EngineMessage::SemanticScores(SemanticScores {
        request_id,
        scores: Bounded::cut(vec![score]).0,
    })
}

async fn judged(world: &World, words: &str) -> Result<SemanticVerdict, SupervisorError> {
    let asked = world
        .supervisor
        .judge_semantics("say hello", words, Deciding::default(), None);
    within("the verdict", asked).await
}

#[tokio::test]
async fn answers_find_their_questions_in_any_order() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let play = async {
        let (first, second) = (question(&mut engine).await, question(&mut engine).await);
        assert_eq!(first.rule.as_str(), "say hello");
        engine.say(answer(Uuid::from_u128(1), 0.1)).await; // Nobody asked this.
        engine.say(answer(second.request_id, f64::NAN)).await;
        engine.say(answer(first.request_id, 0.9)).await;
    };
    let (near, far, ()) = tokio::join!(judged(&world, "hello"), judged(&world, "good bye"), play);
    let near = near.unwrap().verdict;
    assert_eq!(near.reasoning, SemanticReason::CrossEncoderHighMatch);
    assert_eq!(
        near.semantic_method_version,
        "tiny-1@abc+probability_clamp_v1"
    );
    let reason = SemanticReason::SemanticLocalFailureFallback;
    assert_eq!(far.unwrap().verdict.reasoning, reason);
    world.stop().await;
}

#[tokio::test]
async fn a_dead_engine_and_a_text_too_long_are_told_at_once() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let dying = async {
        question(&mut engine).await;
        engine.die().await;
    };
    let (outcome, ()) = tokio::join!(judged(&world, "hello"), dying);
    assert_eq!(outcome.unwrap_err().code(), "engine_unavailable");
    let long = "x".repeat(MAX_UTTERANCE_BYTES + 1);
    assert_eq!(
        judged(&world, &long).await.unwrap_err().code(),
        "validation_failed"
    );
    world.stop().await;
}

#[tokio::test]
async fn more_questions_than_the_bound_are_refused_to_their_callers() {
    let world = World::open(Options::default()).await;
    let mut engine = world.engine().await;
    let many: Vec<_> = (0..40)
        .map(|_| {
            let supervisor = world.supervisor.clone();
            tokio::spawn(async move {
                let deciding = Deciding::default();
                supervisor.judge_semantics("a", "b", deciding, None).await
            })
        })
        .collect();
    eventually("the surplus is refused", || async {
        many.iter().filter(|task| task.is_finished()).count() >= 24
    })
    .await;
    for _ in 0..16 {
        let asked = question(&mut engine).await;
        engine.say(answer(asked.request_id, 0.8)).await;
    }
    let mut answered = 0;
    for task in many {
        answered += usize::from(within("an answer", task).await.unwrap().is_ok());
    }
    assert_eq!(answered, 16);
    world.stop().await;
}
