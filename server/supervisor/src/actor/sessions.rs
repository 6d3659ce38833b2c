//! What the operator asks for: start, stimulus, attestation, end.

use std::time::Duration;

use lsie_analytics::bandit::{DecisionContext, decide};
use lsie_schemas::api::{
    AttestAccepted, AttestRequest, EventType, LifecycleAccepted, PlannedStimulusRequest,
    SessionCreate, SessionEnd, StimulusAccepted, StimulusRequest,
};
use lsie_schemas::id::{digest_uuid, session_id_for_action};
use lsie_schemas::link::{PlannedStimulus, ServerMessage, StartSession};
use lsie_schemas::time::UtcMicros;
use lsie_store::{Conflict, NewSession, NewStimulus, SessionCreated, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use super::encounters::new_decision;
use super::{Actor, ENGINE_ANSWER, Waiting, utc_now};
use crate::error::SupervisorError;
use crate::handle::Reply;
use crate::live::{CurrentArm, LiveSession, Refusal, Waits};
use crate::snapshot::EngineState;

/// Longest remark of the operator, characters.
const MAX_NOTE: usize = 500;
/// Most stimuli that may be known in advance.
pub(super) const MAX_PLANNED: usize = 64;
/// Smallest distance of two planned stimuli: the second must not fall into the first one's windows.
const MIN_SPACING_S: f64 = 10.0;

impl Actor {
    pub(super) async fn start_session(
        &mut self,
        body: SessionCreate,
        reply: Reply<LifecycleAccepted>,
    ) {
        match self.open_session(&body).await {
            Ok((answer, true)) => {
                self.starting = Some(Waiting {
                    reply,
                    answer,
                    until: Instant::now() + ENGINE_ANSWER,
                });
            }
            Ok((answer, false)) => drop(reply.send(Ok(answer))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Opens the row, draws the arm and orders the engine. The flag says whether the engine's word is worth waiting for.
    async fn open_session(
        &mut self,
        body: &SessionCreate,
    ) -> Result<(LifecycleAccepted, bool), SupervisorError> {
        let id = session_id_for_action(&body.client_action_id);
        let now = utc_now();
        let answer = LifecycleAccepted {
            action: "start".into(),
            session_id: id,
            client_action_id: body.client_action_id,
            accepted: true,
            received_at_utc: now,
            message: None,
        };
        if self
            .reader
            .read_later(move |view| view.session(id))
            .await?
            .is_some()
        {
            return Ok((answer, false));
        }
        self.check_start(body)?;
        let started_at = body.epoch_utc.unwrap_or(now);
        let arm = self.draw(id, &body.experiment_id, started_at).await?;
        let decision = new_decision(&body.experiment_id, &arm);
        let new = NewSession {
            session_id: id,
            client_action_id: body.client_action_id,
            client_id: self.settings.session_config.client_id.clone(),
            source_url: body.stream_url.trim().to_owned(),
            experiment_id: Some(body.experiment_id.clone()),
            epoch: body.epoch_utc,
            started_at,
            decision: Some(decision),
        };
        match self.writer.create_session(new).await {
            Ok(SessionCreated::Replayed) => return Ok((answer, false)),
            Ok(SessionCreated::New) => self.note_write(&Ok(())),
            Err(StoreError::Conflict(Conflict::SessionActive { open })) => {
                return Err(SupervisorError::SessionActive(open));
            }
            Err(error) => {
                let refused = Err(error);
                self.note_write(&refused);
                return refused.map(|()| (answer, false)).map_err(Into::into);
            }
        }
        let config = &self.settings.session_config;
        let waits = Waits {
            attest: bounded_wait(config.attest_wait_s),
            stamp: bounded_wait(config.stamp_wait_s),
        };
        let url = body.stream_url.trim();
        let mut live = LiveSession::new(id, url, &body.experiment_id, arm, waits);
        live.epoch = body.epoch_utc;
        live.planned = plan(id, &body.planned_stimuli);
        self.live = Some(live.clone());
        self.mark(&EventType::ALL);
        for (stimulus_id, ..) in &live.planned {
            let new = planned_row(&live, *stimulus_id, now);
            if let Err(error) = self.record_stimulus(new).await {
                let closed = self.finish_session("start_failed", None).await;
                return Err(closed.err().unwrap_or(error));
            }
        }
        let is_ordered = self.order_start(&live, 0);
        let message = (!is_ordered)
            .then(|| "the media process is starting again; the source opens then".to_owned());
        Ok((LifecycleAccepted { message, ..answer }, is_ordered))
    }

    fn check_start(&self, body: &SessionCreate) -> Result<(), SupervisorError> {
        if let Some(live) = &self.live {
            return Err(SupervisorError::SessionActive(live.id));
        }
        let url = body.stream_url.trim();
        let scheme = url
            .split_once(':')
            .map(|(scheme, _)| scheme)
            .unwrap_or_default();
        if scheme.is_empty() {
            return Err(SupervisorError::Invalid {
                field: "stream_url",
                reason: "must be an address with a scheme".into(),
            });
        }
        if body.experiment_id.trim().is_empty() {
            return Err(SupervisorError::Invalid {
                field: "experiment_id",
                reason: "must not be blank".into(),
            });
        }
        let is_down = matches!(
            self.state.engine.state,
            EngineState::CircuitOpen | EngineState::Stopped
        );
        if is_down || self.state.engine.sources.is_empty() {
            return Err(SupervisorError::EngineUnavailable(
                self.state.engine.state.code(),
            ));
        }
        if !self.state.engine.sources.contains_key(scheme) {
            let known = self
                .state
                .engine
                .sources
                .iter()
                .map(|(name, help)| format!("{name}: {help}"))
                .collect::<Vec<_>>()
                .join("; ");
            return Err(SupervisorError::UnknownScheme {
                url: url.to_owned(),
                known,
            });
        }
        check_planned(&body.planned_stimuli)
    }

    /// Draws the arm for the encounter whose window opens at `window_start`.
    pub(super) async fn draw(
        &mut self,
        session_id: Uuid,
        experiment: &str,
        window_start: UtcMicros,
    ) -> Result<CurrentArm, SupervisorError> {
        let code = experiment.to_owned();
        let Some(known) = self
            .reader
            .read_later(move |view| view.experiment(&code))
            .await?
        else {
            return Err(SupervisorError::UnknownExperiment(experiment.to_owned()));
        };
        let arms = known
            .arms
            .into_iter()
            .map(|arm| {
                Ok(lsie_analytics::bandit::Arm {
                    posterior: lsie_analytics::bandit::Posterior::new(
                        arm.posterior.alpha,
                        arm.posterior.beta,
                    )?,
                    arm_id: arm.arm,
                    definition: arm.stimulus_definition,
                    enabled: arm.enabled,
                    is_end_dated: arm.end_dated_at.is_some(),
                })
            })
            .collect::<Result<Vec<_>, lsie_analytics::AnalyticsError>>()?;
        let context = DecisionContext {
            session_id,
            window_start_utc: window_start,
            stimulus_time_secs: None,
            experiment_code: experiment,
            experiment_row_id: known.experiment.row_id,
        };
        match decide(&context, &arms, window_start) {
            Ok(decision) => {
                let selected = &decision.snapshot.selected_arm_id;
                let definition = arms
                    .iter()
                    .find(|arm| &arm.arm_id == selected)
                    .map(|arm| arm.definition.clone());
                let definition = definition.ok_or(lsie_analytics::AnalyticsError::UnknownArm)?;
                tracing::info!(arm = %selected, propensity = decision.propensity, reason = decision.reason, "arm drawn");
                Ok(CurrentArm {
                    decision,
                    definition,
                })
            }
            Err(lsie_analytics::AnalyticsError::NoArms) => {
                Err(SupervisorError::NoArms(experiment.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Tells the engine to measure; `false` when it is away and will be told after its restart.
    pub(super) fn order_start(&self, live: &LiveSession, resume_at_ns: i64) -> bool {
        let order = StartSession {
            session_id: live.id,
            source_url: live.source_url.clone(),
            epoch: live.epoch,
            resume_at_ns,
            calibration: live.calibration,
            planned: live
                .planned
                .iter()
                .filter(|(_, offset_s, _)| offset_s * 1e9 >= resume_at_ns as f64)
                .map(|(stimulus_id, offset_s, _)| PlannedStimulus {
                    stimulus_id: *stimulus_id,
                    offset_s: *offset_s,
                })
                .collect(),
        };
        self.ready && self.send(ServerMessage::Start(Box::new(order)))
    }

    fn send(&self, order: ServerMessage) -> bool {
        self.engine
            .as_ref()
            .is_some_and(|(handle, _)| handle.send(order))
    }

    /// The open session with this id, or why it is not the one.
    async fn require_live(&self, id: Uuid) -> Result<(), SupervisorError> {
        if self.live.as_ref().is_some_and(|live| live.id == id) {
            return Ok(());
        }
        match self.reader.read_later(move |view| view.session(id)).await? {
            None => Err(SupervisorError::SessionNotFound(id)),
            Some(row) if row.ended_at.is_some() => Err(SupervisorError::SessionEnded(id)),
            Some(_) => Err(SupervisorError::NotActive(id)),
        }
    }

    pub(super) async fn stimulus(
        &mut self,
        id: Uuid,
        body: StimulusRequest,
        reply: Reply<StimulusAccepted>,
    ) {
        match self.take_stimulus(id, &body).await {
            Ok((answer, Some(stimulus_id))) => {
                let until = Instant::now() + ENGINE_ANSWER;
                self.stamping.insert(
                    stimulus_id,
                    Waiting {
                        reply,
                        answer,
                        until,
                    },
                );
            }
            Ok((answer, None)) => drop(reply.send(Ok(answer))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    async fn take_stimulus(
        &mut self,
        id: Uuid,
        body: &StimulusRequest,
    ) -> Result<(StimulusAccepted, Option<Uuid>), SupervisorError> {
        if body
            .operator_note
            .as_ref()
            .is_some_and(|note| note.chars().count() > MAX_NOTE)
        {
            return Err(SupervisorError::Invalid {
                field: "operator_note",
                reason: format!("at most {MAX_NOTE} characters"),
            });
        }
        let action = body.client_action_id;
        if let Some(first) = self
            .reader
            .read_later(move |view| view.stimulus_by_action(action))
            .await?
        {
            if first.session_id != id {
                return Err(SupervisorError::ActionReused(action));
            }
            let answer = accepted(
                id,
                action,
                first.accepted_at,
                first.stimulus_time,
                first.message,
            );
            return Ok((answer, None));
        }
        self.require_live(id).await?;
        let elapsed = self.now();
        let Some(live) = self.live.as_mut() else {
            return Err(SupervisorError::NotActive(id));
        };
        if live.ending.is_some() {
            return Err(SupervisorError::SessionEnded(id));
        }
        if self.state.engine.state != EngineState::Ok {
            return Err(SupervisorError::EngineUnavailable(
                self.state.engine.state.code(),
            ));
        }
        if live.opened.is_none() {
            return Err(SupervisorError::EngineUnavailable("opening the source"));
        }
        let now = utc_now();
        if let Err(Refusal::EncounterOpen(open)) = live.issue(action, elapsed) {
            return Err(SupervisorError::EncounterOpen(open));
        }
        let message = (!live.calibration.is_complete()).then(|| {
            "the neutral baseline is not complete; this encounter will commit as no_frames"
                .to_owned()
        });
        let new = NewStimulus {
            operator_note: body.operator_note.clone(),
            message: message.clone(),
            is_planned: false,
            ..planned_row(live, action, now)
        };
        if let Err(error) = self.record_stimulus(new).await {
            self.forget_stimulus(action);
            return Err(error);
        }
        let order = ServerMessage::Stimulus {
            session_id: id,
            stimulus_id: action,
        };
        if !self.send(order) {
            self.forget_stimulus(action);
            let written = self.writer.fail_stimulus(action, "engine_busy").await;
            self.note_write(&written);
            return Err(SupervisorError::EngineUnavailable("not taking orders"));
        }
        self.mark(&[EventType::LiveSession, EventType::Overview]);
        Ok((accepted(id, action, now, None, message), Some(action)))
    }

    fn forget_stimulus(&mut self, stimulus_id: Uuid) {
        if let Some(live) = self.live.as_mut() {
            live.withdraw(stimulus_id);
        }
    }

    async fn record_stimulus(&mut self, new: NewStimulus) -> Result<(), SupervisorError> {
        let written = self.writer.record_stimulus(new).await.map(drop);
        self.note_write(&written);
        Ok(written?)
    }

    pub(super) async fn attest(
        &mut self,
        id: Uuid,
        body: &AttestRequest,
    ) -> Result<AttestAccepted, SupervisorError> {
        self.require_live(id).await?;
        let live = self.live.as_mut().ok_or(SupervisorError::NotActive(id))?;
        let stimulus_id = live
            .attest(body.stimulus_id, body.delivered)
            .map_err(|_| SupervisorError::NothingToAttest)?;
        let closed = live
            .current()
            .is_some_and(|open| open.stimulus_id == stimulus_id && open.segment.is_some());
        let message = (!closed)
            .then(|| "the window is still open; the encounter commits when it closes".to_owned());
        Ok(AttestAccepted {
            session_id: id,
            stimulus_id,
            client_action_id: body.client_action_id,
            accepted: true,
            received_at_utc: utc_now(),
            message,
        })
    }

    pub(super) async fn end_session(
        &mut self,
        id: Uuid,
        body: &SessionEnd,
    ) -> Result<LifecycleAccepted, SupervisorError> {
        let now = utc_now();
        let answer = |received_at_utc, message| LifecycleAccepted {
            action: "end".into(),
            session_id: id,
            client_action_id: body.client_action_id,
            accepted: true,
            received_at_utc,
            message,
        };
        match self.require_live(id).await {
            Ok(()) => {}
            Err(SupervisorError::SessionEnded(_)) => {
                let ended = self
                    .writer
                    .end_session(id, Some(body.client_action_id), "requested", now)
                    .await;
                return ended
                    .map(|ended| answer(ended.ended_at, None))
                    .map_err(|_| SupervisorError::SessionEnded(id));
            }
            Err(refused) => return Err(refused),
        }
        self.send(ServerMessage::End { session_id: id });
        self.finish_session("requested", Some(body.client_action_id))
            .await?;
        Ok(answer(now, None))
    }
}

fn accepted(
    session_id: Uuid,
    client_action_id: Uuid,
    received_at_utc: UtcMicros,
    stimulus_time_utc: Option<UtcMicros>,
    message: Option<String>,
) -> StimulusAccepted {
    StimulusAccepted {
        session_id,
        client_action_id,
        accepted: true,
        received_at_utc,
        stimulus_time_utc,
        message,
    }
}

fn bounded_wait(secs: f64) -> Duration {
    let secs = if secs.is_finite() { secs } else { 0.0 };
    Duration::from_secs_f64(secs.clamp(0.0, 86_400.0))
}

fn planned_row(live: &LiveSession, stimulus_id: Uuid, accepted_at: UtcMicros) -> NewStimulus {
    NewStimulus {
        stimulus_id,
        session_id: live.id,
        client_action_id: stimulus_id,
        arm: Some(live.arm.decision.snapshot.selected_arm_id.clone()),
        operator_note: None,
        message: None,
        accepted_at,
        is_planned: true,
    }
}

/// Identities of planned stimuli are a function of session and place, so that a replay has the same ones.
fn plan(session_id: Uuid, stimuli: &[PlannedStimulusRequest]) -> Vec<(Uuid, f64, bool)> {
    let id = |k: usize| digest_uuid(&format!("planned-stimulus:{session_id}:{k}"));
    stimuli
        .iter()
        .enumerate()
        .map(|(k, s)| (id(k), s.offset_s, s.attested))
        .collect()
}

fn check_planned(stimuli: &[PlannedStimulusRequest]) -> Result<(), SupervisorError> {
    let refuse = |reason: String| {
        Err(SupervisorError::Invalid {
            field: "planned_stimuli",
            reason,
        })
    };
    if stimuli.len() > MAX_PLANNED {
        return refuse(format!("at most {MAX_PLANNED}"));
    }
    if stimuli
        .iter()
        .any(|s| !s.offset_s.is_finite() || s.offset_s < 0.0)
    {
        return refuse("offsets are finite seconds of media time from 0".into());
    }
    if stimuli
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if b.offset_s - a.offset_s < MIN_SPACING_S))
    {
        return refuse(format!(
            "offsets ascend and stand at least {MIN_SPACING_S} s apart"
        ));
    }
    Ok(())
}
