//! Commands to the writer thread, each one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lsie_schemas::time::UtcMicros;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde_json::Value;
use uuid::Uuid;

use crate::error::StoreError;
use crate::pending::Pending;
use crate::worker::Queue;
use crate::write::attribution::{self, AttributionBatch};
use crate::write::encounter::{self, CommitOutcome, EncounterCommit, StepHook};
use crate::write::experiment::{self, ArmDeleted, ArmPatch, NewArm, NewExperiment};
use crate::write::operation::{self, LiveState, NewAlert, Remembered};
use crate::write::physiology::{self, CoModulationRecord, PhysiologyRecord};
use crate::write::segment::{self, MetricsRecord, NewGap, SegmentRecord};
use crate::write::session::{self, NewDecision, NewSession, SessionCreated, SessionEnded};
use crate::write::stimulus::{self, NewStimulus, StimulusRecorded, StimulusState};

/// Sends commands to the one writer. Cheap to clone, usable from any thread.
///
/// Every command is one `BEGIN IMMEDIATE` transaction: it happens completely, synced to disk, or not at all. A full
/// queue blocks the sender. Commands run in the order they were sent.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: Queue<Connection>,
    revision: Arc<AtomicU64>,
    hook: Option<StepHook>,
}

impl Writer {
    pub(crate) fn new(
        queue: Queue<Connection>,
        revision: Arc<AtomicU64>,
        hook: Option<StepHook>,
    ) -> Self {
        Self {
            queue,
            revision,
            hook,
        }
    }

    /// Opens a session; a repeat of the action is answered `Replayed`, another open session is a conflict.
    pub fn create_session(&self, new: NewSession) -> Pending<SessionCreated> {
        self.run(move |transaction| session::create(transaction, &new))
    }

    /// Closes a session with a stable reason code; `client_action_id` is `None` when the server closes it.
    pub fn end_session(
        &self,
        session_id: Uuid,
        client_action_id: Option<Uuid>,
        reason: impl Into<String>,
        ended_at: UtcMicros,
    ) -> Pending<SessionEnded> {
        let reason = reason.into();
        self.run(move |transaction| {
            session::end(transaction, session_id, client_action_id, &reason, ended_at)
        })
    }

    /// Records the UTC of media time zero, once.
    pub fn set_session_epoch(&self, session_id: Uuid, epoch: UtcMicros) -> Pending<()> {
        self.run(move |transaction| session::set_epoch(transaction, session_id, epoch))
    }

    /// Stores a draw and makes its arm the session's active one; answers its row number.
    pub fn record_decision(&self, session_id: Uuid, decision: NewDecision) -> Pending<i64> {
        self.run(move |transaction| session::record_decision(transaction, session_id, &decision))
    }

    /// Records a stimulus; a repeat of the action gets the first answer.
    pub fn record_stimulus(&self, new: NewStimulus) -> Pending<StimulusRecorded> {
        self.run(move |transaction| stimulus::record(transaction, &new))
    }

    /// Gives a stimulus its time on the session clock; `arm` replaces the one recorded with it.
    pub fn stamp_stimulus(
        &self,
        stimulus_id: Uuid,
        stimulus_time: UtcMicros,
        arm: Option<String>,
    ) -> Pending<()> {
        self.run(move |transaction| {
            stimulus::stamp(transaction, stimulus_id, stimulus_time, arm.as_deref())
        })
    }

    /// Moves a timed stimulus to `Analysing` or `AwaitingAttestation`.
    pub fn advance_stimulus(&self, stimulus_id: Uuid, state: StimulusState) -> Pending<()> {
        self.run(move |transaction| stimulus::advance(transaction, stimulus_id, state))
    }

    /// Closes a stimulus that will have no encounter, with a stable reason code.
    pub fn fail_stimulus(&self, stimulus_id: Uuid, reason: impl Into<String>) -> Pending<()> {
        let reason = reason.into();
        self.run(move |transaction| stimulus::fail(transaction, stimulus_id, &reason))
    }

    /// Commits an encounter exactly once (math 7.8).
    pub fn commit_encounter(&self, commit: EncounterCommit) -> Pending<CommitOutcome> {
        let hook = self.hook.clone();
        self.run(move |transaction| encounter::commit(transaction, &commit, hook.as_ref()))
    }

    /// Inserts a segment and its metrics once; answers whether it was new.
    pub fn record_segment(
        &self,
        segment: SegmentRecord,
        metrics: Option<MetricsRecord>,
        now: UtcMicros,
    ) -> Pending<bool> {
        self.run(move |transaction| segment::record(transaction, &segment, metrics.as_ref(), now))
    }

    /// Records a stretch without data, or closes one recorded before; answers its row number.
    pub fn record_gap(&self, gap: NewGap) -> Pending<i64> {
        self.run(move |transaction| segment::record_gap(transaction, &gap))
    }

    /// Inserts or refreshes attribution records outside an encounter, e.g. for a late outcome.
    pub fn upsert_attribution(&self, batch: AttributionBatch) -> Pending<()> {
        self.run(move |transaction| attribution::upsert(transaction, &batch))
    }

    /// Makes provisional attribution at or before `horizon_end` final, at most 100 events; answers how many.
    pub fn finalise_attribution(&self, horizon_end: UtcMicros) -> Pending<u32> {
        self.run(move |transaction| attribution::finalise(transaction, horizon_end))
    }

    /// Attaches physiology to a segment, once per segment and role.
    pub fn attach_physiology(&self, record: PhysiologyRecord) -> Pending<()> {
        self.run(move |transaction| physiology::insert(transaction, &record))
    }

    /// Keeps one co-modulation window, once per session and window end.
    pub fn record_comodulation(&self, record: CoModulationRecord) -> Pending<()> {
        self.run(move |transaction| physiology::insert_comodulation(transaction, &record))
    }

    /// Keeps an alert once.
    pub fn record_alert(&self, alert: NewAlert) -> Pending<()> {
        self.run(move |transaction| operation::record_alert(transaction, &alert))
    }

    /// Marks an alert as seen.
    pub fn ack_alert(&self, alert_id: Uuid, now: UtcMicros) -> Pending<()> {
        self.run(move |transaction| operation::ack_alert(transaction, alert_id, now))
    }

    /// Replaces what the next engine needs to go on with a session.
    pub fn save_calibration(&self, state: LiveState) -> Pending<()> {
        self.run(move |transaction| operation::save_live_state(transaction, &state))
    }

    /// Remembers the answer to an action for 24 h, or returns the one given before.
    pub fn remember_answer(
        &self,
        client_action_id: Uuid,
        action: impl Into<String>,
        answer: Value,
        now: UtcMicros,
    ) -> Pending<Remembered> {
        let action = action.into();
        self.run(move |transaction| {
            operation::remember_answer(transaction, client_action_id, &action, &answer, now)
        })
    }

    /// Creates an experiment with its arms at Beta(1, 1).
    pub fn create_experiment(&self, new: NewExperiment, now: UtcMicros) -> Pending<()> {
        self.run(move |transaction| experiment::create(transaction, &new, now))
    }

    /// Adds an arm at Beta(1, 1).
    pub fn add_arm(
        &self,
        experiment_id: impl Into<String>,
        arm: NewArm,
        now: UtcMicros,
    ) -> Pending<()> {
        let experiment_id = experiment_id.into();
        self.run(move |transaction| experiment::add_arm(transaction, &experiment_id, &arm, now))
    }

    /// Changes an arm's text or disables it for good; the posterior is never writable.
    pub fn patch_arm(
        &self,
        experiment_id: impl Into<String>,
        arm: impl Into<String>,
        patch: ArmPatch,
        now: UtcMicros,
    ) -> Pending<()> {
        let (experiment_id, arm) = (experiment_id.into(), arm.into());
        self.run(move |transaction| {
            experiment::patch_arm(transaction, &experiment_id, &arm, &patch, now)
        })
    }

    /// Removes an arm that was never used and never learned; disables any other.
    pub fn delete_arm(
        &self,
        experiment_id: impl Into<String>,
        arm: impl Into<String>,
        now: UtcMicros,
    ) -> Pending<ArmDeleted> {
        let (experiment_id, arm) = (experiment_id.into(), arm.into());
        self.run(move |transaction| experiment::delete_arm(transaction, &experiment_id, &arm, now))
    }

    /// Changes the size limit in pages of 4096 bytes, e.g. after space was made; answers the limit in force.
    pub fn set_max_page_count(&self, pages: u64) -> Pending<u64> {
        self.queue.submit(move |connection| {
            let pages = i64::try_from(pages).unwrap_or(i64::MAX);
            let in_force: i64 =
                connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| {
                    row.get(0)
                })?;
            Ok(in_force.unsigned_abs())
        })
    }

    /// Commands waiting now.
    pub fn queue_depth(&self) -> usize {
        self.queue.depth()
    }

    /// Times a sender had to wait for room in the queue.
    pub fn queue_full_waits(&self) -> u64 {
        self.queue.full_waits()
    }

    fn run<T, F>(&self, command: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let revision = Arc::clone(&self.revision);
        self.queue.submit(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Dropping the transaction on an error rolls it back.
            let answer = command(&transaction)?;
            transaction.commit()?;
            revision.fetch_add(1, Ordering::Release);
            Ok(answer)
        })
    }
}
