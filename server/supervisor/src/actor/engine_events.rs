//! What the engine says, and what follows from it.

use lsie_schemas::api::{AlertKind, EventType, Severity};
use lsie_schemas::link::{
    EngineHeartbeat, EngineHello, EngineMessage, GapNote, SegmentKind, SegmentMessage, SessionStarted,
};
use lsie_schemas::observation::VisualTick;
use lsie_schemas::time::UtcMicros;
use lsie_store::{LiveState, NewGap, SegmentRecord, StimulusState};
use uuid::Uuid;

use super::{Actor, utc_now};
use crate::engine::EngineEvent;
use crate::error::SupervisorError;
use crate::live::LiveSession;
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
            EngineMessage::Heartbeat(beat) => self.on_heartbeat(beat).await,
            EngineMessage::SessionStarted(started) => self.on_session_started(started).await,
            EngineMessage::SessionFailed { session_id, code, detail } => {
                self.on_session_failed(session_id, code.as_str(), detail.as_str()).await;
            }
            EngineMessage::Visual(tick) => self.on_visual(tick),
            EngineMessage::StimulusStamped { session_id, stimulus_id, stimulus_time_s, .. } if self.is_live(session_id) => {
                self.on_stamp(stimulus_id, stimulus_time_s).await;
            }
            EngineMessage::StimulusRefused { stimulus_id, code, .. } => self.on_refused(stimulus_id, code.as_str()).await,
            EngineMessage::Segment(segment) => self.on_segment(segment).await,
            EngineMessage::Gap { session_id, gap } => self.on_gap(session_id, &gap).await,
            EngineMessage::SessionEnded { session_id, reason, media_ns } if self.is_live(session_id) => {
                if let Some(live) = self.live.as_mut() {
                    live.media_ns = media_ns;
                    live.begin_end(reason.as_str());
                    live.abandon("session_ended");
                    self.source_is_over = true;
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
        engine.models = hello.models.iter().map(|(name, state)| (name.to_string(), state.to_string())).collect();
        engine.sources = hello.sources.iter().map(|(name, help)| (name.to_string(), help.to_string())).collect();
        engine.last_heartbeat = Some(utc_now());
        self.ready = true;
        tracing::info!(pid = hello.pid, device = %hello.device, "engine is up");
        if let Some(live) = self.live.clone() {
            self.order_start(&live, resume_position(&live, utc_now()));
        }
        self.mark(&[EventType::Health, EventType::Overview]);
    }

    async fn on_heartbeat(&mut self, beat: EngineHeartbeat) {
        let engine = &mut self.state.engine;
        engine.counters = beat.counters;
        engine.observation_latency_ms = beat.observation_latency_ms;
        engine.last_heartbeat = Some(utc_now());
        let Some(live) = self.live.as_mut().filter(|live| Some(live.id) == beat.session_id && live.opened.is_some()) else { return };
        live.media_ns = beat.media_ns;
        let calibrating = live.calibration != beat.calibration;
        live.calibration = beat.calibration;
        if live.source_state != beat.source_state.as_str() {
            beat.source_state.as_str().clone_into(&mut live.source_state);
            self.mark(&[EventType::Health, EventType::LiveSession]);
        }
        if calibrating {
            self.save_calibration().await;
        }
    }

    async fn save_calibration(&mut self) {
        let Some(live) = self.live.as_ref() else { return };
        let state = LiveState { session_id: live.id, calibration: live.calibration, media_ns: live.media_ns, updated_at: utc_now() };
        let written = self.writer.save_calibration(state).await;
        self.note_write(&written);
        self.mark(&[EventType::LiveSession, EventType::Overview]);
    }

    async fn on_session_started(&mut self, started: SessionStarted) {
        let Some(live) = self.live.as_mut().filter(|live| live.id == started.session_id) else { return };
        let id = live.id;
        let first = live.epoch.is_none();
        live.epoch = Some(started.epoch);
        let (epoch, pace) = (started.epoch, started.pace.to_string());
        live.opened = Some(started);
        "playing".clone_into(&mut live.source_state);
        tracing::info!(session = %id, %pace, "source is open");
        if first {
            let written = self.writer.set_session_epoch(id, epoch).await;
            self.note_write(&written);
        }
        if let Some(waiting) = self.starting.take() {
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        if let Some(start) = self.gap_open_since.take() {
            self.record_gap(id, "engine_restart", start, Some(utc_now())).await;
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
            self.alert(Severity::Critical, AlertKind::SubsystemError, Some("source"), format!("the source failed: {detail}")).await;
        }
        let closed = self.finish_session(code, None).await;
        if let Some(waiting) = caller {
            let refused = SupervisorError::Invalid { field: "stream_url", reason: detail.to_owned() };
            let _ = waiting.reply.send(Err(closed.err().unwrap_or(refused)));
        }
    }

    fn on_visual(&mut self, tick: VisualTick) {
        let Some(live) = self.live.as_mut().filter(|live| live.id == tick.session_id) else { return };
        let changed = live.visual.as_ref().is_none_or(|last| last.status != tick.status);
        live.calibration = tick.calibration;
        live.visual = Some(tick);
        if changed {
            self.mark(&[EventType::LiveSession, EventType::Health]);
        }
    }

    async fn on_refused(&mut self, stimulus_id: Uuid, code: &str) {
        if let Some(live) = self.live.as_mut() {
            live.withdraw(stimulus_id);
        }
        let written = self.writer.fail_stimulus(stimulus_id, code).await;
        self.note_write(&written);
        if let Some(waiting) = self.stamping.remove(&stimulus_id) {
            let _ = waiting.reply.send(Err(SupervisorError::EngineUnavailable("without an open source")));
        }
        self.alert(Severity::Warning, AlertKind::StimulusFailed, None, format!("the stimulus was refused: {code}")).await;
    }

    async fn on_segment(&mut self, segment: Box<SegmentMessage>) {
        if !self.is_live(segment.session_id) {
            return;
        }
        match segment.kind {
            SegmentKind::Grid { .. } => {
                let written = self.writer.record_segment(SegmentRecord::from(segment.as_ref()), None, utc_now()).await;
                self.note_write(&written.map(drop));
                self.mark(&[EventType::Sessions]);
            }
            SegmentKind::Stimulus { stimulus_id, .. } => {
                let now = self.now();
                let waits = self.live.as_mut().is_some_and(|live| live.close_window(stimulus_id, segment, now));
                if waits {
                    let written = self.writer.advance_stimulus(stimulus_id, StimulusState::AwaitingAttestation).await;
                    self.note_write(&written);
                    self.mark(&[EventType::LiveSession, EventType::Overview]);
                }
            }
        }
    }

    async fn on_gap(&mut self, session_id: Uuid, gap: &GapNote) {
        let (Some(from), Some(to)) = (UtcMicros::from_epoch_secs(gap.from_s), UtcMicros::from_epoch_secs(gap.to_s)) else { return };
        self.record_gap(session_id, gap.reason.as_str(), from, Some(to)).await;
    }

    async fn record_gap(&mut self, session_id: Uuid, cause: &str, start: UtcMicros, end: Option<UtcMicros>) {
        let written = self.writer.record_gap(NewGap { session_id, cause: cause.to_owned(), start, end }).await.map(drop);
        self.note_write(&written);
    }

    async fn on_death(&mut self, reason: String) {
        self.engine = None;
        self.ready = false;
        self.state.engine.deaths += 1;
        self.state.engine.pid = None;
        tracing::warn!(reason, deaths = self.state.engine.deaths, "engine died");
        self.state.engine.last_exit = Some(reason.clone());
        self.plan_restart();
        for (_, waiting) in self.stamping.drain() {
            let _ = waiting.reply.send(Ok(waiting.answer));
        }
        if let Some(live) = self.live.as_mut() {
            live.engine_died();
            live.opened = None;
            let (id, start) = (live.id, lost_since(live));
            if self.gap_open_since.is_none() {
                self.gap_open_since = Some(start);
                self.record_gap(id, "engine_restart", start, None).await;
                self.alert(Severity::Warning, AlertKind::DataGap, Some("engine"), "media was lost while the engine restarts".into()).await;
            }
        }
        let (severity, kind) = match self.state.engine.state {
            EngineState::CircuitOpen => (Severity::Critical, AlertKind::SubsystemError),
            _ => (Severity::Warning, AlertKind::SubsystemRecovering),
        };
        self.alert(severity, kind, Some("engine"), format!("the engine died: {reason}")).await;
        self.mark(&[EventType::Health, EventType::LiveSession, EventType::Overview]);
    }
}

/// The instant up to which media is known to have been measured.
fn lost_since(live: &LiveSession) -> UtcMicros {
    live.epoch.map_or_else(utc_now, |epoch| UtcMicros(epoch.0.saturating_add(live.media_ns / 1000)))
}

/// Where a new engine goes on: live and paced sources kept running meanwhile, a fast file did not.
fn resume_position(live: &LiveSession, now: UtcMicros) -> i64 {
    let is_fast = live.opened.as_ref().is_some_and(|opened| opened.pace.as_str() == "fast") || live.source_url.contains("pace=fast");
    match live.epoch {
        Some(_) if is_fast => live.media_ns,
        Some(epoch) => now.0.saturating_sub(epoch.0).max(0).saturating_mul(1000),
        None => 0,
    }
}
