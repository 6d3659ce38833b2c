//! What follows when a stimulus is stamped and when its encounter is resolved: the commit, the next draw, the session's end.
//!
//! ```text
//! resolved ─▶ commit ─┬─ written ─▶ next arm drawn
//!                     ├─ store full or busy ─▶ kept in memory, tried again each second
//!                     └─ evidence refused ─▶ committed as a data gap ─▶ refused again ─▶ stimulus marked failed
//! ```

use std::sync::Arc;
use std::time::Duration;

use lsie_schemas::api::{AlertKind, EventType, Severity};
use lsie_schemas::time::UtcMicros;
use lsie_store::{CommitOutcome, NewDecision, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Actor, utc_now};
use crate::encounter::commit_of;
use crate::error::{SupervisorError, is_store_fault};
use crate::live::{CurrentArm, LiveSession, OpenEncounter};

/// Pause before a write that the store could not take is tried again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// Remark on an encounter whose window the store refused to keep.
const UNUSABLE: &str = "evidence_unusable";

impl Actor {
    /// Commits what is resolved and closes the session once it ends and nothing is open any more.
    pub(super) async fn resolve_encounters(&mut self) {
        if self.store_retry_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.store_retry_at = None;
        if self.settle_encounters().await.is_err() {
            return;
        }
        let is_over = |live: &LiveSession| live.ending.is_some() && live.current().is_none();
        if self.live.as_ref().is_some_and(is_over)
            && let Err(error) = self.close_session().await
        {
            tracing::error!(%error, "the session could not be closed");
        }
    }

    /// Judges what is still open, closes the row and tells everybody. A store that is full keeps the session in its
    /// ending; it is closed once there is room.
    pub(super) async fn finish_session(
        &mut self,
        reason: &str,
        action: Option<Uuid>,
    ) -> Result<(), SupervisorError> {
        let Some(live) = self.live.as_mut() else {
            return Ok(());
        };
        live.begin_end(reason, action);
        if let Some(waiting) = self.starting.take() {
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        self.settle_encounters().await?;
        self.close_session().await
    }

    async fn close_session(&mut self) -> Result<(), SupervisorError> {
        let now = self.now();
        let Some(live) = self.live.as_ref() else {
            return Ok(());
        };
        let (id, action) = (live.id, live.ending_action);
        let reason = live.ending.clone().unwrap_or_default();
        let missed: Vec<Uuid> = live.planned.iter().map(|(id, ..)| *id).collect();
        let media_end = live.utc_at(live.media_position(now));
        for stimulus_id in missed {
            let written = self.writer.fail_stimulus(stimulus_id, "not_reached").await;
            self.note_write(&written);
        }
        if let Some(start) = self.gap_open_since {
            let end = media_end.unwrap_or(start).max(start);
            self.record_gap(id, "engine_restart", start, Some(end))
                .await;
        }
        let ended = self.writer.end_session(id, action, &reason, utc_now());
        let written = match ended.await.map(drop) {
            Err(StoreError::Conflict(_)) => Ok(()),
            other => other,
        };
        self.note_write(&written);
        if let Err(error) = written {
            self.store_retry_at = Some(Instant::now() + STORE_RETRY);
            return Err(error.into());
        }
        let words = format!("session {id} ended: {reason}");
        self.alert(Severity::Info, AlertKind::SessionEnded, None, words)
            .await;
        self.live = None;
        self.gap_open_since = None;
        self.mark(&EventType::ALL);
        Ok(())
    }

    /// Commits every encounter that is resolved, in the order of the stimuli, and draws the next arm after each.
    async fn settle_encounters(&mut self) -> Result<(), SupervisorError> {
        let now = self.now();
        while let Some(open) = self.live.as_mut().and_then(|live| live.next_resolved(now)) {
            if let Err(fault) = self.commit(&open).await {
                self.store_retry_at = Some(Instant::now() + STORE_RETRY);
                if let Some(live) = self.live.as_mut() {
                    live.put_back(open);
                }
                return Err(fault.into());
            }
            if let Some(waiting) = self.stamping.remove(&open.stimulus_id) {
                let answer = match open.gap() {
                    Some("not_stamped") => Err(SupervisorError::NotStamped(open.stimulus_id)),
                    _ => Ok(waiting.answer),
                };
                let _ = waiting.reply.send(answer);
            }
        }
        Ok(())
    }

    /// Commits one encounter. An error means that the store takes no writes and the encounter must wait.
    async fn commit(&mut self, open: &OpenEncounter) -> Result<(), StoreError> {
        let Some(live) = self.live.clone() else {
            return Ok(());
        };
        let client = self.settings.session_config.client_id.clone();
        let outcomes = match self.outcomes_since(live.id, open.stimulus_time_s).await {
            Ok(outcomes) => outcomes,
            Err(error) => return Err(self.postpone(error).await),
        };
        let Some(commit) = commit_of(&live, open, &client, &outcomes, utc_now()) else {
            return self
                .lose(open.stimulus_id, open.gap().unwrap_or("not_stamped"))
                .await;
        };
        let window_end = commit.segment.window_end;
        let has_physiology = commit.physiology.is_some();
        let mut outcome = self.writer.commit_encounter(commit).await;
        if let Err(error) = &outcome
            && !is_store_fault(error)
        {
            tracing::error!(stimulus = %open.stimulus_id, %error, "the evidence was refused; the encounter commits without it");
            let bare = open.without_evidence(UNUSABLE);
            if let Some(commit) = commit_of(&live, &bare, &client, &outcomes, utc_now()) {
                outcome = self.writer.commit_encounter(commit).await;
            }
        }
        match outcome {
            Ok(CommitOutcome::Committed {
                applied, posterior, ..
            }) => {
                self.note_write(&Ok(()));
                self.state.last_commit = Some(utc_now());
                tracing::info!(stimulus = %open.stimulus_id, applied, alpha = posterior.alpha, beta = posterior.beta, "encounter committed");
            }
            Ok(CommitOutcome::AlreadyCommitted) => {
                tracing::warn!(stimulus = %open.stimulus_id, "encounter was committed before");
            }
            Err(error) if is_store_fault(&error) => return Err(self.postpone(error).await),
            Err(_) => self.lose(open.stimulus_id, UNUSABLE).await?,
        }
        if has_physiology {
            self.update_comodulation(live.id).await;
        }
        self.draw_next(&live, window_end).await;
        self.mark(&[
            EventType::Overview,
            EventType::Sessions,
            EventType::LiveSession,
            EventType::Encounters,
            EventType::ExperimentSummaries,
            EventType::Experiment,
        ]);
        Ok(())
    }

    /// Says once that an encounter waits for the store.
    async fn postpone(&mut self, error: StoreError) -> StoreError {
        if self.state.store_fault.is_none() {
            let words = format!("an encounter could not be stored yet: {error}");
            let kind = AlertKind::SubsystemError;
            self.alert(Severity::Critical, kind, Some("store"), words)
                .await;
        }
        self.state.store_fault = Some(error.to_string());
        self.state.store_faults += 1;
        self.mark(&[EventType::Health, EventType::Overview]);
        error
    }

    /// Closes a stimulus that leaves no encounter.
    async fn lose(&mut self, stimulus_id: Uuid, reason: &str) -> Result<(), StoreError> {
        let written = self.writer.fail_stimulus(stimulus_id, reason).await;
        self.note_write(&written);
        if let Err(error) = written
            && is_store_fault(&error)
        {
            return Err(error);
        }
        let words = format!("the stimulus was lost: {reason}");
        self.alert(Severity::Warning, AlertKind::StimulusFailed, None, words)
            .await;
        Ok(())
    }

    /// The arm of the next encounter; its window starts at the instant the last one closed.
    async fn draw_next(&mut self, live: &LiveSession, closed_at: UtcMicros) {
        match self.draw(live.id, &live.experiment_id, closed_at).await {
            Ok(arm) => {
                let decision = new_decision(&live.experiment_id, &arm);
                let written = self.writer.record_decision(live.id, decision).await;
                self.note_write(&written.map(drop));
                if let Some(live) = self.live.as_mut() {
                    live.arm = Arc::new(arm);
                }
            }
            Err(error) => {
                tracing::error!(%error, "no next arm could be drawn, the last one stays in force");
            }
        }
    }

    /// Stores the time of a stimulus and answers whoever waits for it. The first time stays.
    pub(super) async fn on_stamp(&mut self, stimulus_id: Uuid, stimulus_time_s: f64) {
        let Some(at) = UtcMicros::from_epoch_secs(stimulus_time_s) else {
            return self.on_refused(stimulus_id, "time_invalid").await;
        };
        let Some(live) = self.live.as_mut() else {
            return;
        };
        if !live.stamp(stimulus_id, stimulus_time_s) {
            return;
        }
        let arm = live.arm.decision.snapshot.selected_arm_id.clone();
        let written = self.writer.stamp_stimulus(stimulus_id, at, Some(arm)).await;
        self.note_write(&written);
        // Whoever is told the time must find it in every read-out.
        self.publish();
        if let Some(mut waiting) = self.stamping.remove(&stimulus_id) {
            waiting.answer.stimulus_time_utc = Some(at);
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        self.mark(&[EventType::LiveSession, EventType::Overview]);
    }
}

/// The row of a draw.
pub(super) fn new_decision(experiment: &str, arm: &CurrentArm) -> NewDecision {
    NewDecision {
        experiment_id: experiment.to_owned(),
        snapshot: arm.decision.snapshot.clone(),
        propensity: Some(arm.decision.propensity),
    }
}
