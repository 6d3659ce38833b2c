//! Semantic questions, answered beside the session: a thread of its own, so that vision never waits for them.
//!
//! Queue: 8 questions. A newer one is refused at once with `busy` and counted; every question is answered exactly once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use lsie_analysis::semantic::SemanticScorers;
use lsie_device::{CpuDevice, Device};
use lsie_infer::{InferError, ModelStore};
use lsie_schemas::link::EngineMessage;
use lsie_schemas::semantic::{SemanticFailure, SemanticQuestion};

use crate::link::Outbox;

/// Questions that may wait.
const WAITING: usize = 8;

/// Opens the scorers of a cache folder outside the engine, for a single question on the command line.
pub fn semantic_scorers(cache_dir: &Path) -> Result<SemanticScorers, InferError> {
    let models = ModelStore::open(cache_dir)?;
    Ok(SemanticScorers::open(&models, &CpuDevice::new()))
}

/// Takes questions. The models are opened by the first one; until then it costs nothing.
pub(crate) struct SemanticDesk {
    models: Arc<ModelStore>,
    device: Arc<dyn Device>,
    outbox: Outbox,
    queue: Option<Sender<SemanticQuestion>>,
    scored: Arc<AtomicU64>,
    refused: u64,
}

impl SemanticDesk {
    pub(crate) fn new(models: Arc<ModelStore>, device: Arc<dyn Device>, outbox: Outbox) -> Self {
        Self {
            models,
            device,
            outbox,
            queue: None,
            scored: Arc::default(),
            refused: 0,
        }
    }

    /// Queues a question, or refuses it at once.
    pub(crate) fn ask(&mut self, question: SemanticQuestion) {
        let queue = match self.queue.take() {
            Some(queue) => queue,
            None => match self.start() {
                Ok(queue) => queue,
                Err(error) => {
                    tracing::error!(%error, "the semantic thread cannot be started");
                    return self.refuse(&question, SemanticFailure::Network);
                }
            },
        };
        match queue.try_send(question) {
            Ok(()) => self.queue = Some(queue),
            Err(TrySendError::Full(question)) => {
                self.queue = Some(queue);
                self.refuse(&question, SemanticFailure::Busy);
            }
            // The thread ended by a fault in a library; the next question starts another.
            Err(TrySendError::Disconnected(question)) => {
                self.refuse(&question, SemanticFailure::Network);
            }
        }
    }

    /// Questions scored and refused so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.scored.load(Ordering::Relaxed), self.refused)
    }

    fn refuse(&mut self, question: &SemanticQuestion, reason: SemanticFailure) {
        self.refused += 1;
        let answer = SemanticScorers::refused(question, reason);
        self.outbox.send(EngineMessage::SemanticScores(answer));
    }

    fn start(&self) -> std::io::Result<Sender<SemanticQuestion>> {
        let (tx, rx) = bounded(WAITING);
        let (models, device) = (Arc::clone(&self.models), Arc::clone(&self.device));
        let (outbox, scored) = (self.outbox.clone(), Arc::clone(&self.scored));
        thread::Builder::new()
            .name("semantic".into())
            .spawn(move || answer(&rx, &models, device.as_ref(), &outbox, &scored))?;
        Ok(tx)
    }
}

fn answer(
    questions: &Receiver<SemanticQuestion>,
    models: &ModelStore,
    device: &dyn Device,
    outbox: &Outbox,
    scored: &AtomicU64,
) {
    let mut scorers = SemanticScorers::open(models, device);
    tracing::info!(?scorers, "semantic scorers are open");
    for question in questions {
        let scores = scorers.score(&question);
        scored.fetch_add(1, Ordering::Relaxed);
        if !outbox.send(EngineMessage::SemanticScores(scores)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lsie_schemas::semantic::ScoreOutcome;
    use uuid::Uuid;

    #[test]
    fn every_question_is_answered_once_even_when_too_many_come() {
        const QUESTIONS: u64 = 200;
        let empty = tempfile::tempdir().unwrap();
        let models = Arc::new(ModelStore::open(empty.path()).unwrap());
        let (outbox, sent) = Outbox::for_tests(1024);
        let mut desk = SemanticDesk::new(models, Arc::new(CpuDevice::new()), outbox);
        for number in 0..QUESTIONS {
            let id = Uuid::from_u128(u128::from(number));
            desk.ask(SemanticQuestion::new(id, "rule", "words").unwrap());
        }
        let refused = desk.counts().1;
        let mut busy = 0;
        let mut ids: Vec<_> = (0..QUESTIONS)
            .map(|_| {
                let message = sent.recv_timeout(std::time::Duration::from_secs(15));
                let Ok(EngineMessage::SemanticScores(answer)) = message else {
                    panic!("only answers are sent");
                };
                let scores = answer.scores.as_slice();
                assert!(!scores.is_empty());
                let reason = SemanticFailure::Busy;
                let is_busy = |score: &lsie_schemas::semantic::SemanticScore| {
                    score.outcome == ScoreOutcome::Failed { reason }
                };
                busy += u64::from(scores.iter().all(is_busy));
                answer.request_id
            })
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len() as u64, busy), (QUESTIONS, refused));
        let (scored, refused) = desk.counts();
        assert_eq!(scored + refused, QUESTIONS);
    }
}
