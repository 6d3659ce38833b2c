//! Questions on their way to the engine and back.

use std::time::Duration;

use lsie_schemas::link::ServerMessage;
use lsie_schemas::semantic::{SemanticQuestion, SemanticScores};
use tokio::time::Instant;
use uuid::Uuid;

use super::Actor;
use crate::error::SupervisorError;
use crate::handle::Reply;

/// Questions that may be with the engine; a newer one is refused to its caller.
pub(super) const ASKED: usize = 16;
/// How long the engine may take: its first answer opens the models.
const SCORE_ANSWER: Duration = Duration::from_secs(15);

/// A caller waiting for scores.
#[derive(Debug)]
pub(super) struct Asked {
    reply: Reply<SemanticScores>,
    pub(super) until: Instant,
}

impl Actor {
    pub(super) fn score(&mut self, question: Box<SemanticQuestion>, reply: Reply<SemanticScores>) {
        let id = question.request_id;
        let refusal = if !self.ready {
            Some("not ready")
        } else if self.asked.len() >= ASKED {
            Some("busy with other questions")
        } else {
            let order = ServerMessage::ScoreSemantics(question);
            let sent = self
                .engine
                .as_ref()
                .is_some_and(|(engine, _)| engine.send(order));
            (!sent).then_some("not taking orders")
        };
        if let Some(state) = refusal {
            let _ = reply.send(Err(SupervisorError::EngineUnavailable(state)));
            return;
        }
        let until = Instant::now() + SCORE_ANSWER;
        self.asked.insert(id, Asked { reply, until });
    }

    /// Hands an answer to its caller; one that nobody waits for is dropped.
    pub(super) fn on_scores(&mut self, scores: SemanticScores) {
        if let Some(asked) = self.asked.remove(&scores.request_id) {
            let _ = asked.reply.send(Ok(scores));
        }
    }

    /// Ends the waiting of those whose time is over, or of all when the engine is gone.
    pub(super) fn give_up_questions(&mut self, now: Option<Instant>) {
        let late: Vec<Uuid> = self
            .asked
            .iter()
            .filter(|(_, asked)| now.is_none_or(|now| asked.until <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(asked) = self.asked.remove(&id) {
                let error = SupervisorError::EngineUnavailable("without an answer");
                let _ = asked.reply.send(Err(error));
            }
        }
    }
}
