//! What the engine says, and what follows from it.

use lsie_schemas::api::{AlertKind, EventType, Severity};
use lsie_schemas::link::{
    EngineHeartbeat, EngineHello, EngineMessage, GapNote, PeerGauges, SegmentKind, SegmentMessage,
    SessionStarted, SourceReport,
};
use lsie_schemas::observation::{NullReason, VisualTick};
use lsie_schemas::time::UtcMicros;
use lsie_store::{LiveState, NewGap, SegmentRecord, StimulusState};
use uuid::Uuid;

use super::{Actor, utc_now};
use crate::engine::EngineEvent;
use crate::error::SupervisorError;
use crate::snapshot::EngineState;

impl Actor {
    pub(super) async fn on_engine_event(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Spawned { pid } => self.state.engine.pid = Some(pid),
            EngineEvent::Malformed => self.state.engine.malformed += 1,
            EngineEvent::Message(message) => self.on_message(*message).await,
            EngineEvent::Died { reason } => self.on_death(reason).await,
        }
    }

    async fn on_message(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::Hello(hello) => self.on_hello(&hello),
            EngineMessage::Heartbeat(beat) => self.on_heartbeat(*beat).await,
            EngineMessage::SessionStarted(started) => self.on_session_started(started).await,
            EngineMessage::SessionFailed {
                session_id,
                code,
                detail,
            } => {
                self.on_session_failed(session_id, code.as_str(), detail.as_str())
                    .await;
            }
            EngineMessage::Visual(tick) => self.on_visual(tick),
            EngineMessage::StimulusStamped {
                session_id,
                stimulus_id,
                stimulus_time_s,
                calibrated,
            } if self.is_live(session_id) => {
                self.on_stamp(stimulus_id, stimulus_time_s).await;
                if let Some(live) = self.live.as_mut().filter(|_| !calibrated) {
                    live.note_no_baseline(stimulus_id);
                }
            }
            EngineMessage::StimulusRefused {
                stimulus_id, code, ..
            } => self.on_refused(stimulus_id, code.as_str()).await,
            EngineMessage::SemanticScores(scores) => self.on_scores(scores),
            EngineMessage::Peer(report) => self.on_peer(*report),
            EngineMessage::Segment(segment) => self.on_segment(segment).await,
            EngineMessage::Gap { session_id, gap } => self.on_gap(session_id, &gap).await,
            EngineMessage::SessionEnded {
                session_id,
                reason,
                media_ns,
            } if self.is_live(session_id) => {
                let now = self.now();
                if let Some(live) = self.live.as_mut() {
                    live.hear_media(media_ns, now);
                    live.begin_end(code_or(reason.as_str(), "source_ended"), None);
                }
            }
            EngineMessage::StimulusStamped { .. } | EngineMessage::SessionEnded { .. } => {}
        }
    }

    fn is_live(&self, session_id: Uuid) -> bool {
        self.live.as_ref().is_some_and(|live| live.id == session_id)
    }

    fn on_hello(&mut self, hello: &EngineHello) {
        let engine = &mut self.state.engine;
        engine.state = EngineState::Ok;
        engine.device = Some(hello.device.to_string());
        engine.models = hello
            .models
            .iter()
            .map(|(name, state)| (name.to_string(), state.to_string()))
            .collect();
        engine.sources = hello
            .sources
            .iter()
            .map(|(name, help)| (name.to_string(), help.to_string()))
            .collect();
        engine.last_heartbeat = Some(utc_now());
        self.ready = true;
        tracing::info!(pid = hello.pid, device = %hello.device, "engine is up");
        let now = self.now();
        if let Some(live) = self.live.as_ref().filter(|live| live.ending.is_none()) {
            self.order_start(live, live.media_position(now));
        }
        self.mark(&[EventType::Health, EventType::Overview]);
    }

    async fn on_heartbeat(&mut self, beat: EngineHeartbeat) {
        let engine = &mut self.state.engine;
        engine.counters = beat.counters;
        engine.observation_latency_ms = beat.observation_latency_ms;
        let peers_changed = std::mem::replace(&mut engine.peers, beat.peers) != beat.peers;
        engine.last_heartbeat = Some(utc_now());
        if peers_changed {
            self.mark(&[EventType::Health]);
        }
        let now = self.now();
        let Some(live) = self
            .live
            .as_mut()
            .filter(|live| Some(live.id) == beat.session_id)
        else {
            return;
        };
        // A phone tells what it waits for before its first picture.
        let said = |report: &SourceReport| (report.state.to_string(), report.detail.to_string());
        let has_news = live.source.as_ref().map(said) != beat.source.as_deref().map(said);
        live.source = beat.source.map(|report| *report);
        if live.opened.is_none() {
            if has_news {
                self.mark(&[EventType::Health, EventType::LiveSession]);
            }
            return;
        }
        live.hear_media(beat.media_ns, now);
        if beat.calibration.ratio_sum.is_finite() {
            live.calibration = beat.calibration;
        }
        let is_calibrating = live.saved_calibration != live.calibration;
        if has_news || live.source_state != beat.source_state.as_str() {
            beat.source_state
                .as_str()
                .clone_into(&mut live.source_state);
            self.mark(&[EventType::Health, EventType::LiveSession]);
        }
        if is_calibrating {
            self.save_calibration().await;
        }
    }

    async fn save_calibration(&mut self) {
        let Some(live) = self.live.as_mut() else {
            return;
        };
        live.saved_calibration = live.calibration;
        let state = LiveState {
            session_id: live.id,
            calibration: live.calibration,
            media_ns: live.media_ns,
            updated_at: utc_now(),
        };
        let written = self.writer.save_calibration(state).await;
        self.note_write(&written);
        self.mark(&[EventType::LiveSession, EventType::Overview]);
    }

    async fn on_session_started(&mut self, started: SessionStarted) {
        let now = self.now();
        let Some(live) = self
            .live
            .as_mut()
            .filter(|live| live.id == started.session_id)
        else {
            return;
        };
        let (id, epoch) = (live.id, started.epoch);
        let is_first = live.epoch.is_none();
        tracing::info!(session = %id, pace = %started.pace, "source is open");
        live.open(started, now);
        let reopened_at = live.utc_at(live.media_ns);
        if is_first {
            let written = self.writer.set_session_epoch(id, epoch).await;
            self.note_write(&written);
        }
        if let Some(waiting) = self.starting.take() {
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        if let Some(start) = self.gap_open_since.take() {
            let end = reopened_at.unwrap_or(start).max(start);
            self.record_gap(id, "engine_restart", start, Some(end))
                .await;
        }
        self.mark(&EventType::ALL);
    }

    async fn on_session_failed(&mut self, session_id: Uuid, code: &str, detail: &str) {
        if !self.is_live(session_id) {
            return;
        }
        tracing::error!(session = %session_id, code, detail, "the source failed");
        let caller = self.starting.take();
        if caller.is_none() {
            self.alert(
                Severity::Critical,
                AlertKind::SubsystemError,
                Some("source"),
                format!("the source failed: {detail}"),
            )
            .await;
        }
        let closed = self
            .finish_session(code_or(code, "source_failed"), None)
            .await;
        if let Some(waiting) = caller {
            let refused = SupervisorError::Invalid {
                field: "stream_url",
                reason: detail.to_owned(),
            };
            let _ = waiting.reply.send(Err(closed.err().unwrap_or(refused)));
        }
    }

    fn on_visual(&mut self, tick: VisualTick) {
        let Some(live) = self.live.as_mut().filter(|live| live.id == tick.session_id) else {
            return;
        };
        let (au12, absent) = (tick.au12, tick.absent.map(NullReason::code));
        tracing::trace!(timestamp_s = tick.timestamp_s, au12, absent, "display tick");
        let changed = live
            .visual
            .as_ref()
            .is_none_or(|last| last.status != tick.status);
        if tick.calibration.ratio_sum.is_finite() {
            live.calibration = tick.calibration;
        }
        live.visual = Some(tick);
        if changed {
            self.mark(&[EventType::LiveSession, EventType::Health]);
        }
    }

    pub(super) async fn on_refused(&mut self, stimulus_id: Uuid, code: &str) {
        let code = code_or(code, "refused");
        if let Some(live) = self.live.as_mut() {
            live.withdraw(stimulus_id);
        }
        let written = self.writer.fail_stimulus(stimulus_id, code).await;
        self.note_write(&written);
        if let Some(waiting) = self.stamping.remove(&stimulus_id) {
            let _ = waiting.reply.send(Err(SupervisorError::EngineUnavailable(
                "without an open source",
            )));
        }
        self.alert(
            Severity::Warning,
            AlertKind::StimulusFailed,
            None,
            format!("the stimulus was refused: {code}"),
        )
        .await;
    }

    async fn on_segment(&mut self, segment: Box<SegmentMessage>) {
        if !self.is_live(segment.session_id) {
            return;
        }
        match segment.kind {
            SegmentKind::Grid { .. } => {
                let (session_id, segment_id) = (segment.session_id, segment.segment_id.clone());
                let written = self
                    .writer
                    .record_segment(SegmentRecord::from(segment.as_ref()), None, utc_now())
                    .await;
                self.note_write(&written.map(drop));
                self.attach_physiology(session_id, segment_id).await;
                self.mark(&[EventType::Sessions]);
            }
            SegmentKind::Stimulus {
                stimulus_id,
                stimulus_time_s,
            } => {
                self.on_stamp(stimulus_id, stimulus_time_s).await;
                let now = self.now();
                let physiology = self
                    .derive_physiology(segment.session_id, segment.segment_id.clone())
                    .await;
                let waits = self
                    .live
                    .as_mut()
                    .is_some_and(|live| live.close_window(stimulus_id, segment, physiology, now));
                if waits {
                    let written = self
                        .writer
                        .advance_stimulus(stimulus_id, StimulusState::AwaitingAttestation)
                        .await;
                    self.note_write(&written);
                    self.mark(&[EventType::LiveSession, EventType::Overview]);
                }
            }
        }
    }

    async fn on_gap(&mut self, session_id: Uuid, gap: &GapNote) {
        let (Some(from), Some(to)) = (
            UtcMicros::from_epoch_secs(gap.from_s),
            UtcMicros::from_epoch_secs(gap.to_s),
        ) else {
            return;
        };
        if self.is_live(session_id) {
            let cause = code_or(gap.reason.as_str(), "source_gap");
            self.record_gap(session_id, cause, from, Some(to)).await;
        }
    }

    pub(super) async fn record_gap(
        &mut self,
        session_id: Uuid,
        cause: &str,
        start: UtcMicros,
        end: Option<UtcMicros>,
    ) {
        let written = self
            .writer
            .record_gap(NewGap {
                session_id,
                cause: cause.to_owned(),
                start,
                end,
            })
            .await
            .map(drop);
        self.note_write(&written);
    }

    async fn on_death(&mut self, reason: String) {
        self.engine = None;
        self.ready = false;
        self.state.engine.deaths += 1;
        self.state.engine.pid = None;
        self.state.engine.peers = PeerGauges::default();
        tracing::warn!(reason, deaths = self.state.engine.deaths, "engine died");
        self.state.engine.last_exit = Some(reason.clone());
        self.plan_restart();
        self.give_up_questions(None);
        self.give_up_peers(None);
        for (_, waiting) in self.stamping.drain() {
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        if let Some(live) = self.live.as_mut() {
            let was_open = live.opened.is_some();
            live.engine_died();
            let (id, measured_to) = (live.id, live.utc_at(live.media_ns));
            if let Some(start) = measured_to.filter(|_| was_open && self.gap_open_since.is_none()) {
                self.gap_open_since = Some(start);
                self.record_gap(id, "engine_restart", start, None).await;
                let words = "media was lost while the engine restarts".to_owned();
                let kind = AlertKind::DataGap;
                self.alert(Severity::Warning, kind, Some("engine"), words)
                    .await;
            }
        }
        let (severity, kind) = match self.state.engine.state {
            EngineState::CircuitOpen => (Severity::Critical, AlertKind::SubsystemError),
            _ => (Severity::Warning, AlertKind::SubsystemRecovering),
        };
        self.alert(
            severity,
            kind,
            Some("engine"),
            format!("the engine died: {reason}"),
        )
        .await;
        self.mark(&[
            EventType::Health,
            EventType::LiveSession,
            EventType::Overview,
        ]);
    }
}

/// A code as the store takes it; what the engine says is not ours to trust.
fn code_or<'a>(code: &'a str, fallback: &'static str) -> &'a str {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=64).contains(&code.len()) && code.bytes().all(is_plain) {
        code
    } else {
        fallback
    }
}
